"""Where trained weights are read from. Does not import torch."""

from __future__ import annotations

from pathlib import Path

from fastrun.errors import CheckpointError, ConfigError
from fastrun.storage.checkpoint.files import is_in_parts
from fastrun.storage.checkpoint.select import select
from fastrun.storage.run_dir import RunDir

_HINT = "use a run directory, a file of weights, timm:NAME, torchvision:NAME/WEIGHTS or pretrained"


def find_source(source: str | None) -> Path | None:
    """Return the file that ``transfer.source`` names: the best checkpoint if it is a run directory.

    Returns:
        The file, or the folder of a checkpoint in parts; None for weights of timm or torchvision.

    Raises:
        ConfigError: there is no source.
        CheckpointError: there is no such file.
    """
    if not source:
        raise ConfigError("transfer.source is not set", _HINT)
    if source == "pretrained" or source.startswith(("timm:", "torchvision:")):
        return None
    path = Path(source).expanduser()
    if path.is_dir() and not is_in_parts(path):
        run = RunDir.open(path)
        config = run.config()
        return select(run.checkpoints, "best", config["target"]["metric"], config.get("metrics", {}))
    if not path.exists():
        raise CheckpointError(f"transfer.source={source}: no such file", _HINT)
    return path
