"""Low-rank adapters beside the layers of a network whose own weights stay as they are.

Source: Hu et al. 2022, "LoRA: Low-rank adaptation of large language models"; the adapters are those of peft.
"""

from __future__ import annotations

import warnings
from typing import Any

from torch import nn

from fastrun.components.hub import INSTALL_HUB
from fastrun.components.transfer.head import head_of
from fastrun.config.settings import TransferConfig
from fastrun.errors import ConfigError, nearest
from fastrun.system.seed import seeded

_KEY = "lora"  # of the random numbers that the adapters start from
_NAME = "default"  # of the adapters, in peft
_ORDINARY = (nn.Linear, nn.Conv2d)


def add_adapters(net: nn.Module, transfer: TransferConfig, seed: int) -> str:
    """Put adapters beside the layers of a network, so that these and the head alone train.

    An adapter adds nothing at first: one of its two matrices is zero, the other depends on the seed alone.

    Args:
        net: the network, with its trained weights; it is changed.
        transfer: the settings of the group.
        seed: the seed of the run.

    Returns:
        What was done, in words.

    Raises:
        ConfigError: peft is not installed, or the network has no such layers.
    """
    peft = _import_peft()
    heads = {id(part) for head in head_of(net) for part in head.modules()}
    head_weights = [weight for head in head_of(net) for weight in head.parameters()]
    layers = {name: module for name, module in net.named_modules() if id(module) not in heads and _is_layer(module)}
    chosen = _choose(peft, net, layers, transfer)
    config = peft.LoraConfig(
        r=transfer.rank,
        lora_alpha=transfer.alpha,
        lora_dropout=transfer.dropout,
        target_modules=chosen,
        fan_in_fan_out=any(not isinstance(layers[name], _ORDINARY) for name in chosen),
    )
    with seeded(seed, _KEY), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what peft would save, which is not how a run saves
        try:
            peft.inject_adapter_in_model(config, net, adapter_name=_NAME)
        except ValueError as error:
            message = f"transfer=lora: {str(error).splitlines()[0]}"
            raise ConfigError(message, "name other layers: transfer.targets=[…]") from error
    for weight in head_weights:
        weight.requires_grad_(True)
    trained = sum(weight.numel() for weight in net.parameters() if weight.requires_grad)
    whole = sum(weight.numel() for weight in net.parameters())
    where = f"adapters of rank {transfer.rank} in {len(chosen)} layers"
    return f"lora: {where} and the head train, {trained:,} of {whole:,} weights"


def _is_layer(module: nn.Module) -> bool:
    return isinstance(module, _ORDINARY) or type(module).__name__ == "Conv1D"  # a linear layer of transformers


def _choose(peft: Any, net: nn.Module, layers: dict[str, nn.Module], transfer: TransferConfig) -> list[str]:
    """Return the names of the layers that get adapters.

    Raises:
        ConfigError: a layer that is named does not exist, or there are none.
    """
    endings = transfer.targets
    if endings is None:
        usual = peft.utils.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING.get(getattr(net, "model_type", None))
        endings = usual if isinstance(usual, list) else None
    if endings is None:
        chosen = [name for name, layer in layers.items() if not isinstance(layer, nn.Conv2d)] or list(layers)
    else:
        chosen = [name for name in layers if any(f".{name}".endswith(f".{ending}") for ending in endings)]
    for ending in transfer.targets or ():
        if not any(f".{name}".endswith(f".{ending}") for name in layers):
            last = sorted({name.rpartition(".")[2] for name in layers})
            hint = nearest(ending, last) or f"its layers end in {', '.join(last[:12])}"
            raise ConfigError(f"transfer.targets: no layer of the network is called {ending}", hint)
    if not chosen:
        message = "transfer=lora: the network has no linear layer and no convolution beside its head"
        raise ConfigError(message, "use transfer=finetune")
    return chosen


def has_adapters(net: nn.Module) -> bool:
    """Say whether a network has adapters."""
    return bool(_adapted(net))


def _adapted(net: nn.Module) -> list[str]:
    """Return the names of the layers that have adapters."""
    kind = _import_peft().tuners.lora.LoraLayer
    return [name for name, module in net.named_modules() if isinstance(module, kind)]


def merge_adapters(net: nn.Module) -> None:
    """Add the adapters of a network to the weights that they stand beside, which then are ordinary layers again."""
    for name in _adapted(net):
        layer = net.get_submodule(name)
        layer.merge()  # type: ignore[operator]
        parent, _, own = name.rpartition(".")
        setattr(net.get_submodule(parent), own, layer.get_base_layer())  # type: ignore[operator]


def _import_peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise ConfigError("transfer=lora needs the package peft, which is not installed", INSTALL_HUB) from error
    return peft
