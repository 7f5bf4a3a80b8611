"""A component of the user's in the place of an option, as ``model._target_=mymod.Net`` on a command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, open_dict

from fastrun.config import registry
from fastrun.config.settings import OPEN

_SUFFIX = "._target_"
_OF_THE_GROUP = ("layer_decay", "lr_scale")  # arguments that no target is given


def leave_out_arguments(config: DictConfig, choices: Mapping[str, Any], overrides: Sequence[str]) -> None:
    """Leave out the arguments of an option whose target is replaced on the command line, unless they are typed as well.

    Args:
        config: the composed config; it is changed.
        choices: the chosen option of each group.
        overrides: the command line.
    """
    typed = {text.partition("=")[0].lstrip("+~") for text in overrides}
    for group in sorted(key.removesuffix(_SUFFIX) for key in typed if key.endswith(_SUFFIX)):
        option = registry.options(group).get(str(choices.get(group))) if group in OPEN else None
        if option is None or option.content().get("_target_") == config[group]["_target_"]:
            continue
        with open_dict(config):
            for name in set(config[group]) - {"_target_", *_OF_THE_GROUP}:
                if not any(f"{key}.".startswith(f"{group}.{name}.") for key in typed):
                    config[group].pop(name)
