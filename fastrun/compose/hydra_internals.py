"""What fastrun uses of Hydra that Hydra does not document as public, with a fallback for when it is gone.

Hydra finds plugins only in the package ``hydra_plugins``, and a plugin there changes every Hydra application of the
environment. So the sweepers and the launcher are added to the table in which Hydra looks up classes. If a version of
Hydra has no such table, the options ``hydra/sweeper=fastrun`` and ``hydra/launcher=fastrun`` name their classes by
path.

Hydra composes a config twice, first for ``hydra.mode`` alone. :func:`composing_once` answers that from the command
line. If a version of Hydra asks in another way, it composes twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hydra._internal.hydra import Hydra
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.plugin import Plugin
from omegaconf import OmegaConf

_get_mode = getattr(Hydra, "get_mode", None)


def offer_plugin(kind: str, name: str, plugin: type[Plugin], values: type | None = None) -> None:
    """Make a plugin the option ``hydra/<kind>=<name>``.

    Args:
        kind: ``sweeper`` or ``launcher``.
        name: the name of the option.
        plugin: the class.
        values: a dataclass of the keys under ``hydra.<kind>``; None if there are none.
    """
    table = getattr(Plugins.instance(), "class_name_to_class", None)
    target = f"{plugin.__module__}.{plugin.__qualname__}"
    if table is not None:
        target = f"hydra_plugins.fastrun.{kind}.{name}"
        table[target] = plugin
    node = OmegaConf.structured(values) if values else OmegaConf.create()
    OmegaConf.set_struct(node, False)
    node["_target_"] = target
    ConfigStore.instance().store(name, node, group=f"hydra/{kind}", provider="fastrun")


@contextmanager
def composing_once(overrides: Sequence[str]) -> Iterator[None]:
    """Let Hydra compose once for the duration of a block, unless the command line sets ``hydra.mode``: no file may.

    Args:
        overrides: those of the command line.
    """
    keys = {override.lstrip("+").partition("=")[0] for override in overrides}
    if _get_mode is None or keys & {"hydra", "hydra.mode"}:
        yield
        return
    Hydra.get_mode = _answer_once  # type: ignore[method-assign]
    try:
        yield
    finally:
        Hydra.get_mode = _get_mode  # type: ignore[method-assign]


def _answer_once(*_: object, **__: object) -> None:
    """Say that there is no mode, and leave the next question to Hydra: it may be that of a run within a run."""
    assert _get_mode is not None
    Hydra.get_mode = _get_mode  # type: ignore[method-assign]
