"""Composing configs: the only package that imports Hydra."""

from fastrun.hydra_app.composing import compose, frozen
from fastrun.hydra_app.running import run

__all__ = ["compose", "frozen", "run"]
