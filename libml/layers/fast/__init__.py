"""Fast forms of convolution, gradients and activation."""
