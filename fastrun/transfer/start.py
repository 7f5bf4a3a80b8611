"""The start of a run from trained weights."""

from __future__ import annotations

from torch import nn

from fastrun.heuristics import Heuristics
from fastrun.plan import Plan
from fastrun.settings import Transfer
from fastrun.transfer.match import Fit, load
from fastrun.transfer.source import read


def start(transfer: Transfer, net: nn.Module, plan: Plan, used: Heuristics) -> None:
    """Copy trained weights over the initialized ones of a network, and note how many, from where, and what trains.

    Raises:
        ConfigError: there is no source of weights.
        CheckpointError: the weights cannot be read, or do not fit the network.
        DataError: they are not here and cannot be downloaded.
    """
    given, origin = read(transfer.source, net)
    fit = load(net, given, transfer.match, transfer.new_head, origin)
    used.use("transfer", _loaded(fit, origin), _trained(transfer, plan))


def _loaded(fit: Fit, origin: str) -> str:
    head = "new head" if fit.fresh else "its head too"
    return f"loaded {len(fit.loaded)} of {fit.total} tensors from {origin}; {head}"


def _trained(transfer: Transfer, plan: Plan) -> str:
    if transfer.kind == "linear_probe" or plan.release >= plan.total_steps:
        until = f", for {transfer.freeze} is all of the run" if plan.release else ""
        return f"{transfer.kind}: the head alone trains{until}"
    rates = f"at {transfer.lr_scale:g} of the rate, {transfer.layer_decay:g} of that a layer down"
    return f"finetune: the body trains from step {plan.release + 1} on, {rates}"
