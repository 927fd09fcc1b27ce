"""Making datasets: programs that write the TFRecord files which libml.data reads."""
