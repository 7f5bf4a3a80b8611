"""Typed settings: what a run can be configured with, and how a value is checked."""
