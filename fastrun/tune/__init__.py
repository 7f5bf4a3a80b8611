"""What is measured before a run, or in its stead."""
