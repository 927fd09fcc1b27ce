"""The paper: networks, losses, objectives, and the training step."""
