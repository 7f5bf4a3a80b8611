"""Fitting trained weights to a network: by their names, or by their order where the names differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from fastrun.errors import CheckpointError
from fastrun.transfer.head import head_names

Weights = Mapping[str, Tensor]

_PREFIXES = ("module.", "net.", "model.", "_orig_mod.")  # of DataParallel, Lightning modules, torch.compile
_COUNTER = "num_batches_tracked"  # of batch norms: older files lack it, and nothing computes with it
_SHOWN = 3  # differences that a message names
_OWN_HEAD = 2  # tensors that a head has: weight and bias


class Fit(NamedTuple):
    """How trained weights fit a network.

    Attributes:
        loaded: the weights that fit, by the network's own names.
        fresh: the tensors of the head that stay as they were initialized.
        wrong: what does not fit and is not the head's, a phrase each.
        total: the tensors of the network.
    """

    loaded: dict[str, Tensor]
    fresh: list[str]
    wrong: list[str]
    total: int


def load(net: nn.Module, given: Weights, rule: str, new_head: bool, origin: str) -> Fit:
    """Copy trained weights into a network, all but those of a head that does not fit.

    Args:
        net: the network, initialized.
        given: the weights, by their names where they come from.
        rule: ``name``, or ``order``: as many tensors, and each of the same shape, in the order of the state dicts.
        new_head: leave the head as it is even where it fits.
        origin: where the weights come from, for messages.

    Raises:
        CheckpointError: a tensor of the body has no counterpart or one of another shape, or nothing fits at all; the
            network is as it was then.
    """
    fit = fitted(net, given, rule, new_head)
    if fit.wrong or not fit.loaded:
        raise CheckpointError(_refusal(fit, given, origin), _hint(net, given, rule))
    net.load_state_dict(fit.loaded, strict=False)
    return fit


def fitted(net: nn.Module, given: Weights, rule: str, new_head: bool) -> Fit:
    """Return how weights fit a network, without changing it."""
    own = {name: value for name, value in net.state_dict().items() if isinstance(value, Tensor)}
    if rule == "name" or len(own) != len(given):
        own, given = _without_counters(own, given), _without_counters(given, own)
    head = head_names(net)
    partner = _by_order(own, given) if rule == "order" else _by_name(own, given)
    loaded = {
        name: given[other]
        for name, other in partner.items()
        if own[name].shape == given[other].shape and not (new_head and name in head)
    }
    fresh = [name for name in own if name in head and name not in loaded]
    wrong = [
        _difference(name, own, partner, given)
        for name in own
        if name not in loaded and name not in head and not name.endswith(_COUNTER)
    ]
    of_its_head = {partner[name] for name in fresh if name in partner}
    unused = [name for name in given if name not in {*partner.values()} and not name.endswith(_COUNTER)]
    if len(unused) + len(of_its_head) > (max(_OWN_HEAD, len(fresh)) if fresh else 0):
        wrong += [f"{name} is not in the model" for name in unused]
    return Fit(loaded, fresh, wrong, len(own))


def _by_name(own: Weights, given: Weights) -> dict[str, str]:
    """Return the given name for each of the network's that has one; prefixes come off names that are not its own."""
    found: dict[str, str] = {}
    for name in given:
        bare = name
        while bare not in own and (prefix := next((p for p in _PREFIXES if bare.startswith(p)), None)):
            bare = bare.removeprefix(prefix)
        if bare not in own:
            bare = name.replace("_orig_mod.", "")
        if bare in own:
            found.setdefault(bare, name)
    return found


def _by_order(own: Weights, given: Weights) -> dict[str, str]:
    return dict(zip(own, given, strict=False))


def _without_counters(weights: Weights, others: Weights) -> dict[str, Tensor]:
    """Return the weights without the batch norms' counters, where the others have none."""
    has_counters = any(name.endswith(_COUNTER) for name in others)
    return {name: value for name, value in weights.items() if has_counters or not name.endswith(_COUNTER)}


def _difference(name: str, own: Weights, partner: Mapping[str, str], given: Weights) -> str:
    if name not in partner:
        return f"{name} is missing"
    there, here = given[partner[name]].shape, own[name].shape
    return f"{partner[name]} is {list(there)}, in the model {list(here)}"


def _refusal(fit: Fit, given: Weights, origin: str) -> str:
    """Return what a user is told where weights do not fit."""
    count = f"{len(fit.loaded) or 'none'} of the model's {fit.total} tensors"
    if not fit.wrong:
        return f"{origin} does not fit the model: {count} could be loaded from its {len(given)}"
    more = f"; {len(fit.wrong) - _SHOWN} more" if len(fit.wrong) > _SHOWN else ""
    return f"{origin} does not fit the model: it has {count}; {'; '.join(fit.wrong[:_SHOWN])}{more}"


def _hint(net: nn.Module, given: Weights, rule: str) -> str:
    """Return what to do about the most telling difference."""
    own = net.state_dict()
    partner = _by_order(own, given) if rule == "order" else _by_name(own, given)
    body = {name: other for name, other in partner.items() if name not in head_names(net)}
    for name, other in body.items():
        here, there = own[name].shape, given[other].shape
        if here == there:
            continue
        if isinstance(net.get_submodule(name.rpartition(".")[0]), nn.Embedding) and len(here) == len(there) == 2:
            return "the data must have as many tokens, and sequences as long, as the weights were trained with"
        if "pos" in name or "patch" in name:
            return "use images and patches of the size that the weights were trained with"
        if len(here) == len(there) == 4 and here[0] == there[0] and here[2:] == there[2:]:
            return f"they take images of {there[1]} channels: give them such, by a data factory of your own, say"
        break
    if rule == "name" and not fitted(net, given, "order", False).wrong:
        return "the same tensors under other names? then use transfer.match=order"
    return "build the model that the weights are of: `fastrun options model`"
