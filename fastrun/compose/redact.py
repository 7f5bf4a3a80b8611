"""Keeps secrets out of what Hydra prints and writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf import OmegaConf

from fastrun.redaction import redact, redact_message


@contextmanager
def redact_yaml() -> Iterator[None]:
    """Redact secrets in the YAML that Hydra makes during a block: for ``--cfg``, ``--info`` and its own files.

    Hydra has no hook for it, so ``OmegaConf.to_yaml`` is replaced for the length of the block.
    """
    plain = OmegaConf.to_yaml

    def to_yaml(cfg: Any, *, resolve: bool = False, sort_keys: bool = False) -> str:
        config = cfg if OmegaConf.is_config(cfg) else OmegaConf.create(cfg)
        container: Any = OmegaConf.to_container(config, resolve=resolve, enum_to_str=True)
        return plain(OmegaConf.create(redact(container, redact_message)), sort_keys=sort_keys)

    OmegaConf.to_yaml = to_yaml  # type: ignore[method-assign]
    try:
        yield
    finally:
        OmegaConf.to_yaml = plain  # type: ignore[method-assign]
