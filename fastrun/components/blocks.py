"""The blocks of a network: the parts that follow each other and look alike, such as those of a transformer."""

from __future__ import annotations

from torch import nn

_LEAST_SHARE = 0.01  # of the network's weights


def blocks(net: nn.Module) -> list[nn.Module]:
    """Return the members of a network's lists of modules, from the first to the last.

    A member that holds less than a hundredth of the weights does not count, and neither do lists within a member. A
    list of lists counts as all lists in it.
    """
    least = _LEAST_SHARE * sum(weight.numel() for weight in net.parameters())
    found: list[nn.Module] = []
    seen: set[nn.Module] = set()
    for module in net.modules():
        if module in seen or not isinstance(module, (nn.ModuleList, nn.Sequential)):
            continue
        members = [child for child in module if sum(weight.numel() for weight in child.parameters()) >= least]
        if len(members) > 1 and not any(isinstance(child, (nn.ModuleList, nn.Sequential)) for child in members):
            found += members
            seen |= {inner for member in members for inner in member.modules()}
    return found
