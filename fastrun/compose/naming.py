"""Names of runs and of the folders of a sweep."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import DictConfig, OmegaConf

from fastrun.config.names import check_name
from fastrun.errors import ConfigError
from fastrun.redaction import redact_message


def name_of(_root_: DictConfig) -> str:
    """Return the name of a run: the one in its config, else that of its recipes, else ``train``.

    Args:
        _root_: the whole config; Hydra passes it to a resolver under this name.

    Raises:
        ConfigError: no folder can have the name, or ``outputs`` is empty.
    """
    if not _root_.get("outputs"):
        raise ConfigError("outputs is empty", "name a folder: outputs=outputs")
    if _root_.get("name"):
        return check_name(str(_root_["name"]))
    recipe = OmegaConf.select(_root_, "hydra.runtime.choices.recipe")
    is_list = isinstance(recipe, Sequence) and not isinstance(recipe, str)
    recipes = recipe if is_list else [recipe or "train"]
    return check_name("+".join(str(name).replace("/", "-") for name in recipes))


def slug(text: str) -> str:
    """Return overrides as the name of a folder: without secrets, and no longer than a file system allows."""
    plain = "".join(c if c.isalnum() or c in "=,.+-_" else "_" for c in redact_message(text))[:80]
    return plain.encode()[:200].decode(errors="ignore") or "defaults"


def quoted(text: str) -> str:
    """Return a text as a value in Hydra's grammar, quoted so that no part of it has a meaning."""
    return QuotedString(text, Quote.single).with_quotes().replace("${", "\\${")
