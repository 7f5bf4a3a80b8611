"""What a training spends its time on, and which values were measured to make it faster."""
