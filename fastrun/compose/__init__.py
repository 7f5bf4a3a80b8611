"""Composing configs: the only room that imports Hydra."""

from fastrun.compose.composer import compose
from fastrun.compose.hydra_main import run
from fastrun.compose.parts import PartComposer
from fastrun.compose.ray_launcher import split_launcher
from fastrun.compose.typed import from_config

__all__ = ["PartComposer", "compose", "from_config", "run", "split_launcher"]
