"""What Hydra writes and prints, without secrets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf import OmegaConf

from fastrun.redaction import clean, shown


@contextmanager
def redacting() -> Iterator[None]:
    """Have no secret in what becomes YAML during a block: ``--cfg``, ``--info``, Hydra's own files."""
    plain = OmegaConf.to_yaml

    def to_yaml(cfg: Any, *, resolve: bool = False, sort_keys: bool = False) -> str:
        config = cfg if OmegaConf.is_config(cfg) else OmegaConf.create(cfg)
        container: Any = OmegaConf.to_container(config, resolve=resolve, enum_to_str=True)
        return plain(OmegaConf.create(shown(container, clean)), sort_keys=sort_keys)

    OmegaConf.to_yaml = to_yaml  # type: ignore[method-assign]
    try:
        yield
    finally:
        OmegaConf.to_yaml = plain  # type: ignore[method-assign]
