"""Programs that write the TFRecord files of a dataset."""
