"""Weight initialization: each function sets the weights of a network in place, biases to zero."""
