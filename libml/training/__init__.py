"""Training: the loop, the run's folder, checkpoints, logs."""
