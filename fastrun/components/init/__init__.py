"""Weight initialization: each function sets the weights of a network in place, and its biases to zero."""
