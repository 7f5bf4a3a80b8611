"""Starts a run from trained weights: loads them and records what was loaded and what trains."""

from __future__ import annotations

from torch import nn

from fastrun.components.model.recorded import RecordedNetwork
from fastrun.components.transfer.lora import add_adapters
from fastrun.components.transfer.match import WeightMatch, load_weights
from fastrun.components.transfer.source import read_weights
from fastrun.config.plan import Plan
from fastrun.config.resolved import Resolved
from fastrun.config.settings import TransferConfig


def load_pretrained(transfer: TransferConfig, net: nn.Module, plan: Plan, resolved: Resolved, seed: int) -> None:
    """Copy trained weights over the initialized ones of a network, and record what was loaded and what trains.

    With ``transfer=lora``, the network has adapters afterwards.

    Args:
        transfer: the settings of the group.
        net: the initialized network.
        plan: the steps of the run.
        resolved: where the result is recorded, under ``transfer``.
        seed: the seed of the run.

    Raises:
        ConfigError: there is no source of weights.
        CheckpointError: the weights cannot be read, or do not fit the network.
        DataError: the weights are not on this machine and cannot be downloaded.
    """
    own = net.origin if isinstance(net, RecordedNetwork) else None
    if transfer.source is None and own is not None:
        loaded = f"the weights of {own}"
    else:
        given, origin = read_weights(transfer.source, net)
        loaded = _describe_loaded(load_weights(net, given, transfer.match, transfer.new_head, origin), origin)
    is_lora = transfer.kind == "lora"
    training = add_adapters(net, transfer, seed) if is_lora else _describe_training(transfer, plan)
    resolved.record("transfer", loaded, training)


def _describe_loaded(match: WeightMatch, origin: str) -> str:
    head = "new head" if match.fresh else "including the head"
    return f"loaded {len(match.loaded)} of {match.total} tensors from {origin}; {head}"


def _describe_training(transfer: TransferConfig, plan: Plan) -> str:
    if transfer.kind == "linear_probe" or plan.release >= plan.total_steps:
        reason = f", because transfer.freeze={transfer.freeze} covers the whole run" if plan.release else ""
        return f"{transfer.kind}: only the head trains{reason}"
    rates = f"at {transfer.lr_scale:g} x the learning rate, and {transfer.layer_decay:g} x per layer below the head"
    return f"finetune: the body trains from step {plan.release + 1} on, {rates}"
