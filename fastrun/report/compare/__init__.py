"""Runs beside each other: what differs in their configs, and what came out."""
