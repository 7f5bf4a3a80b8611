"""Trained networks of transformers: a folder with a config and weights as safetensors, and perhaps code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fastrun.components.hub import find_folder
from fastrun.components.model.hf_library import import_transformers, quiet
from fastrun.config.trust import trusted_names
from fastrun.errors import ConfigError

_CONFIG = "config.json"
_PATTERNS = [_CONFIG, "*.safetensors", "*.safetensors.index.json"]
_CODE = "*.py"
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
_LISTED = 4
_MOST_NEW = 0.5  # of a network's weights; more than that is another network

_CODE_PACKAGE = "transformers_modules"  # in which the library imports such code


@dataclass(frozen=True)
class Source:
    """A folder with a trained network.

    Attributes:
        name: as it was typed.
        folder: where it is on this machine.
        revision: the commit of the hub; None for a folder of the user's.
        trust: whether code that comes with it may be run.
    """

    name: str
    folder: str
    revision: str | None
    trust: bool

    def describe(self) -> str:
        """Return what it is called in messages."""
        return self.name if self.revision is None else f"{self.name} at {self.revision}"

    def record(self) -> dict[str, Any]:
        """Return what a run keeps of it; the folder only where its code is needed again."""
        code = {"folder": self.folder} if self.trust else {}
        return {"source": self.name, "revision": self.revision, **code}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Source:
        """Return the folder that a run keeps.

        Raises:
            ConfigError: it is gone.
        """
        folder = record.get("folder")
        if folder is not None and not Path(folder).is_dir():
            message = f"{folder}, whose code the network of model.source={record['source']} needs, is gone"
            raise ConfigError(message, "bring it back: the code is not part of the run")
        return cls(record["source"], str(folder or ""), record["revision"], folder is not None)

    def read_config(self, transformers: Any) -> Any:
        """Return the config of the network.

        Raises:
            ConfigError: there is none, or it needs code that is not trusted.
        """
        values = self._values()
        self._check_code(transformers, values)
        try:
            return transformers.AutoConfig.from_pretrained(
                self.folder, local_files_only=True, trust_remote_code=self.trust
            )
        except Exception as error:  # the library has many ways to say that it does not know a network
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise ConfigError(f"model.source={self.name}: its {_CONFIG} cannot be used: {reason}") from error

    def _values(self) -> dict[str, Any]:
        path = Path(self.folder) / _CONFIG
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            hint = "it takes a folder that save_pretrained wrote, or a name of the hub"
            raise ConfigError(f"model.source={self.name} has no {_CONFIG}", hint) from error
        except (OSError, ValueError) as error:
            raise ConfigError(f"model.source={self.name}: its {_CONFIG} cannot be read: {error}") from error
        if not isinstance(values, dict):
            raise ConfigError(f"model.source={self.name}: its {_CONFIG} holds no keys")
        return values

    def _check_code(self, transformers: Any, values: Mapping[str, Any]) -> None:
        if values.get("auto_map") and not self.trust and values.get("model_type") not in transformers.CONFIG_MAPPING:
            message = f"model.source={self.name} comes with code of its own, which would be run"
            raise ConfigError(message, f"read its .py files; model.trust=true trust={_CODE_PACKAGE} runs them")


def check_code_is_trusted() -> None:
    """Check that the user trusts code that comes with networks; a recipe cannot grant that.

    Raises:
        ConfigError: the user does not.
    """
    if _CODE_PACKAGE not in trusted_names():
        raise ConfigError(
            "model.trust=true runs code that comes with model.source", f"if you want that, add trust={_CODE_PACKAGE}"
        )


def find_source(name: str, revision: str | None, trust: bool) -> Source:
    """Return the folder of a trained network.

    Raises:
        ConfigError: there is none, it has no weights, or only such as are pickled.
    """
    patterns: Sequence[str] = [*_PATTERNS, _CODE] if trust else _PATTERNS
    found = find_folder("model.source", name, revision, patterns)
    if not found.path.is_dir():
        hint = "it takes the folder that has config.json and model.safetensors; transfer.source takes files of weights"
        raise ConfigError(f"model.source={name} is a file", hint)
    source = Source(name, str(found.path.absolute()), found.revision, trust)
    if not (found.path / _CONFIG).is_file() or any(found.path.glob("*.safetensors")):
        return source  # what is missing is said when the config is read
    pickled = next((file.name for pattern in _PICKLED for file in sorted(found.path.glob(pattern))), None)
    why = f": {pickled} may run code when it is read" if pickled else ""
    hint = "save it again with save_pretrained, which writes model.safetensors, on a machine that may run it"
    raise ConfigError(f"model.source={name} has no weights as safetensors{why}", hint)


def load_network(auto: Any, config: Any, source: Source | None, *, with_weights: bool) -> tuple[nn.Module, str]:
    """Return a network of the library in float32, with the weights of a folder, or as its constructor draws them.

    The text beside it names the weights that were not in the folder, such as those of a new head.

    Args:
        auto: the library's class for the task.
        config: the config of the network.
        source: the folder; None for an untrained network of the library's own.
        with_weights: whether to load the weights of the folder.

    Raises:
        ConfigError: the library has no such network for the task, or the weights are those of another one.
    """
    transformers = import_transformers()
    trust = source is not None and source.trust
    with quiet(transformers):
        try:
            if source is None or not with_weights:
                return auto.from_config(config, trust_remote_code=trust, dtype=torch.float32), ""
            net, found = auto.from_pretrained(
                source.folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=trust,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
        except Exception as error:  # the library's errors are of all kinds
            raise _refused(auto, config, source, error) from error
    return net, _check_loaded(net, found, source)


def _refused(auto: Any, config: Any, source: Source | None, error: Exception) -> ConfigError:
    name = f"model.source={source.name}" if source is not None else f"model.type={config.model_type}"
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    if reason.startswith("Unrecognized configuration class"):
        task = auto.__name__.removeprefix("AutoModelFor")
        message = f"{name}: transformers has no {config.model_type} for the task of this data ({task})"
        return ConfigError(message, "such as bert for classes of texts, gpt2 for next tokens, vit for images")
    return ConfigError(f"{name} cannot be built: {reason}")


def _check_loaded(net: nn.Module, found: Mapping[str, Any], source: Source) -> str:
    """Return which weights were not in the folder, in words; those of a new head are not.

    Raises:
        ConfigError: they are half of the network or more.
    """
    mismatched = [one[0] if isinstance(one, (tuple, list)) else str(one) for one in found.get("mismatched_keys", ())]
    new = sorted({*found["missing_keys"], *mismatched})
    if not new:
        return ""
    sizes = {name: weight.numel() for name, weight in net.named_parameters()}
    share = sum(sizes.get(name, 0) for name in new) / max(1, sum(sizes.values()))
    listed = ", ".join(new[:_LISTED]) + (f" and {len(new) - _LISTED} more" if len(new) > _LISTED else "")
    if share > _MOST_NEW:
        message = f"model.source={source.name} holds the weights of another network: it has no {listed}"
        raise ConfigError(message, "choose a source whose weights are those of its config.json")
    return listed
