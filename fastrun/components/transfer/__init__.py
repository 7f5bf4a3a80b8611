"""Transfer learning: where trained weights come from, how they fit a network, and which of them train when."""
