"""Domains of the arguments of other packages' classes, which declare none themselves."""

from __future__ import annotations

from typing import Annotated, Any

from fastrun.config.constraints import BelowOne, Count, Natural, NotNegative, Positive, Range, Share

_OPTIMIZERS: dict[str, Any] = {
    "lr": NotNegative,
    "betas": tuple[BelowOne, ...],
    "alpha": BelowOne,
    "momentum": BelowOne,
    "dampening": Share,
    "weight_decay": NotNegative,
    "eps": NotNegative | tuple[NotNegative | None, NotNegative],  # Adafactor has two
    "beta2_decay": Annotated[float, Range(ge=-100, le=0)],
    "d": Annotated[float, Range(ge=1)],
    "lr_decay": NotNegative,
    "momentum_decay": NotNegative,
    "initial_accumulator_value": NotNegative,
    "max_grad_norm": Positive,
    "warmup_steps": Natural,
    "r": Annotated[float, Range(ge=0, le=100)],
    "weight_lr_power": Annotated[float, Range(ge=0, le=100)],
    "max_iter": Count,
    "history_size": Count,
}
_OF: dict[str, dict[str, Any]] = {
    "torch.optim.": _OPTIMIZERS,
    "timm.optim.": _OPTIMIZERS,
    "schedulefree.": _OPTIMIZERS,
    "torch.nn.modules.loss": {"label_smoothing": BelowOne},
}


def domain_of(module: str, name: str, otherwise: Any) -> Any:
    """Return the annotation with the domain of an argument of another package's function or class.

    Args:
        module: the module that defines the function or class.
        name: the name of the argument.
        otherwise: what to return where nothing is known of it.
    """
    return next(
        (known.get(name, otherwise) for start, known in _OF.items() if f"{module}.".startswith(start)), otherwise
    )
