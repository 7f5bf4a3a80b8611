"""What happens when a loss or a gradient is not finite."""
