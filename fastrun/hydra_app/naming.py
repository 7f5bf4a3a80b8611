"""What runs and the folders of a sweep are called."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import DictConfig, OmegaConf

from fastrun.errors import ConfigError
from fastrun.redaction import clean
from fastrun.rundir import check_name


def name_of(_root_: DictConfig) -> str:
    """Return the run's name: as set, else its recipes', else ``train``."""
    if not _root_.get("outputs"):
        raise ConfigError("outputs is empty", "name a folder: outputs=outputs")
    if _root_.get("name"):
        return check_name(str(_root_["name"]))
    recipe = OmegaConf.select(_root_, "hydra.runtime.choices.recipe")
    recipes = recipe if isinstance(recipe, Sequence) and not isinstance(recipe, str) else [recipe or "train"]
    return check_name("+".join(str(one).replace("/", "-") for one in recipes))


def slug(text: str) -> str:
    """Return overrides as a folder's name, without secrets, cut where a file system would refuse it."""
    plain = "".join(c if c.isalnum() or c in "=,.+-_" else "_" for c in clean(text))[:80]
    return plain.encode()[:200].decode(errors="ignore") or "defaults"


def quoted(text: str) -> str:
    """Return a text as a value in Hydra's grammar that means just that."""
    return QuotedString(text, Quote.single).with_quotes().replace("${", "\\${")
