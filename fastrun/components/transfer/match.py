"""Matches trained weights with the tensors of a network, by their names or by their order, and loads those that fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from fastrun.components.transfer.head import head_names
from fastrun.errors import CheckpointError

Weights = Mapping[str, Tensor]

_PREFIXES = ("module.", "net.", "model.", "_orig_mod.")  # of DataParallel, Lightning modules, torch.compile
_COMPILED = "_orig_mod."  # torch.compile puts it before the names within a compiled part
_COUNTER = "num_batches_tracked"  # of batch norms: older files lack it, and nothing computes with it
_LISTED = 3  # differences that a message lists
_HEAD_TENSORS = 2  # a head usually has a weight and a bias


class WeightMatch(NamedTuple):
    """How trained weights fit a network.

    Attributes:
        loaded: the weights that fit, by the network's own names.
        fresh: the names of the head's tensors that stay as they were initialized.
        mismatches: a phrase for each tensor that does not fit and does not belong to the head.
        total: the number of tensors of the network.
    """

    loaded: dict[str, Tensor]
    fresh: list[str]
    mismatches: list[str]
    total: int


@dataclass(frozen=True)
class _Pairing:
    """The tensors of a network, each paired with at most one of the given weights.

    Attributes:
        own: the tensors of the network.
        given: the trained weights.
        partner: the name among the given weights for each name of the network that has a counterpart.
        head: the network's names of the tensors of its head.
    """

    own: Weights
    given: Weights
    partner: Mapping[str, str]
    head: set[str]

    def fits(self, name: str) -> bool:
        """Say whether a tensor of the network has a counterpart of its shape."""
        return name in self.partner and self.own[name].shape == self.given[self.partner[name]].shape


def load_weights(net: nn.Module, given: Weights, rule: str, new_head: bool, origin: str) -> WeightMatch:
    """Copy trained weights into a network, except those of a head that does not fit.

    Args:
        net: the initialized network.
        given: the trained weights, by the names they have where they come from.
        rule: ``name`` to match tensors by name; ``order`` to match them by their position in the state dicts, which
            then must have the same number of tensors with the same shapes.
        new_head: leave the head as it is initialized, even where the trained one fits.
        origin: where the weights come from, for error messages.

    Returns:
        What was loaded and what was not.

    Raises:
        CheckpointError: a tensor of the body has no counterpart or one of another shape, or nothing fits. The network
            is left unchanged.
    """
    match = match_weights(net, given, rule, new_head)
    if match.mismatches or not match.loaded:
        raise CheckpointError(_describe_mismatch(match, len(given), origin), _hint(net, given, rule))
    net.load_state_dict(match.loaded, strict=False)
    return match


def match_weights(net: nn.Module, given: Weights, rule: str, new_head: bool) -> WeightMatch:
    """Return how trained weights fit a network, without changing the network.

    The arguments are those of :func:`load_weights`.
    """
    pairing = _pair(net, given, rule)
    loaded = _loadable(pairing, new_head)
    fresh = [name for name in pairing.own if name in pairing.head and name not in loaded]
    mismatches = _body_mismatches(pairing, loaded) + _unused_weights(pairing, fresh)
    return WeightMatch(loaded, fresh, mismatches, len(pairing.own))


def _pair(net: nn.Module, given: Weights, rule: str) -> _Pairing:
    own: Weights = {name: value for name, value in net.state_dict().items() if isinstance(value, Tensor)}
    if rule == "name" or len(own) != len(given):
        own, given = _without_counters(own, given), _without_counters(given, own)
    partner = _by_order(own, given) if rule == "order" else _by_name(own, given)
    return _Pairing(own, given, partner, head_names(net))


def _without_counters(weights: Weights, others: Weights) -> Weights:
    """Return the weights without the batch norms' counters if the other weights have none."""
    if any(_is_counter(name) for name in others):
        return weights
    return {name: value for name, value in weights.items() if not _is_counter(name)}


def _is_counter(name: str) -> bool:
    return name.endswith(_COUNTER)


def _by_order(own: Iterable[str], given: Iterable[str]) -> dict[str, str]:
    return dict(zip(own, given, strict=False))


def _by_name(own: Weights, given: Weights) -> dict[str, str]:
    """Return the given name for each name of the network that has one; the first of several wins."""
    partner: dict[str, str] = {}
    for name in given:
        own_name = _own_name(name, own)
        if own_name is not None:
            partner.setdefault(own_name, name)
    return partner


def _own_name(name: str, own: Weights) -> str | None:
    """Return the network's name for a given one, or None.

    Prefixes of wrappers are removed only as long as the network does not know the name: a network may have a part
    called ``net`` itself.
    """
    stripped = name
    while stripped not in own:
        prefix = next((prefix for prefix in _PREFIXES if stripped.startswith(prefix)), None)
        if prefix is None:
            stripped = name.replace(_COMPILED, "")
            return stripped if stripped in own else None
        stripped = stripped.removeprefix(prefix)
    return stripped


def _loadable(pairing: _Pairing, new_head: bool) -> dict[str, Tensor]:
    """Return the given weights that fit, by the network's names."""
    left_out = pairing.head if new_head else set()
    return {
        name: pairing.given[other]
        for name, other in pairing.partner.items()
        if name not in left_out and pairing.fits(name)
    }


def _body_mismatches(pairing: _Pairing, loaded: Weights) -> list[str]:
    """Return a phrase for each tensor of the network's body that is not loaded."""
    body = [name for name in pairing.own if name not in pairing.head and not _is_counter(name)]
    return [_difference(name, pairing) for name in body if name not in loaded]


def _difference(name: str, pairing: _Pairing) -> str:
    if name not in pairing.partner:
        return f"{name} is missing"
    other = pairing.partner[name]
    return f"{other} is {list(pairing.given[other].shape)}, in the model {list(pairing.own[name].shape)}"


def _unused_weights(pairing: _Pairing, fresh: list[str]) -> list[str]:
    """Return a phrase for each given tensor without a counterpart, unless these are the head of the source's network.

    A head that is not loaded may have another name in the source. So as many tensors as it has, or a weight and a bias,
    may be left over; counterparts of the same name count among them.
    """
    partners = set(pairing.partner.values())
    unused = [name for name in pairing.given if name not in partners and not _is_counter(name)]
    named_alike = {pairing.partner[name] for name in fresh if name in pairing.partner}
    allowed = max(_HEAD_TENSORS, len(fresh)) if fresh else 0
    if len(unused) + len(named_alike) <= allowed:
        return []
    return [f"{name} is not in the model" for name in unused]


def _describe_mismatch(match: WeightMatch, given: int, origin: str) -> str:
    """Return the error message for weights that do not fit, of which there are ``given`` tensors."""
    count = f"{len(match.loaded) or 'none'} of the model's {match.total} tensors"
    if not match.mismatches:
        return f"{origin} does not fit the model: {count} could be loaded from its {given} tensors"
    listed = "; ".join(match.mismatches[:_LISTED])
    more = len(match.mismatches) - _LISTED
    return f"{origin} does not fit the model: it has {count}; {listed}" + (f"; {more} more" if more > 0 else "")


def _hint(net: nn.Module, given: Weights, rule: str) -> str:
    """Return what the user can do about the first difference."""
    pairing = _pair(net, given, rule)
    differing = [name for name in pairing.partner if name not in pairing.head and not pairing.fits(name)]
    hint = _hint_on_shape(net, differing[0], pairing) if differing else None
    if hint is not None:
        return hint
    if rule == "name" and not match_weights(net, given, "order", False).mismatches:
        return "if these are the same tensors under other names, use transfer.match=order"
    return "build the model that the weights were trained with: `fastrun options model`"


def _hint_on_shape(net: nn.Module, name: str, pairing: _Pairing) -> str | None:
    """Return what the different shape of a tensor says about the data that the weights were trained with, or None."""
    own, given = pairing.own[name].shape, pairing.given[pairing.partner[name]].shape
    module = net.get_submodule(name.rpartition(".")[0])
    if isinstance(module, nn.Embedding) and len(own) == len(given) == 2:
        return "the data must have as many tokens, and sequences as long, as the weights were trained with"
    if "pos" in name or "patch" in name:
        return "use images and patches of the size that the weights were trained with"
    is_convolution = len(own) == len(given) == 4
    if is_convolution and own[0] == given[0] and own[2:] == given[2:]:
        return f"the weights need images of {given[1]} channels, for example from a data factory of your own"
    return None
