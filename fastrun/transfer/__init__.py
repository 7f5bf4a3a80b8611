"""Starting from trained weights: where they come from, how they fit a network, and which of them train when."""
