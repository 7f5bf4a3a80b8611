"""Training: the story of a fit, the LightningModule and the optimizer step."""
