"""LAG, the Latent Adversarial Generator: sets of plausible high-resolution images from a tiny one."""
