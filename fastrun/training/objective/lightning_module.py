"""A user's LightningModule: which of its methods a run calls, and which it cannot have."""

from __future__ import annotations

from typing import Any

from torch import nn

from fastrun.errors import ConfigError

_DATA = ("prepare_data", "train_dataloader", "val_dataloader", "test_dataloader", "predict_dataloader")
_UPDATES = {
    "backward": "fastrun computes the gradients",
    "clip_gradients": "choose clip=…",
    "configure_gradient_clipping": "choose clip=…",
    "lr_scheduler_step": "choose schedule=…",
    "on_after_backward": "choose clip=…, or use a hook of the parameter",
    "on_before_backward": "put it into training_step",
    "on_before_optimizer_step": "choose clip=…, or use a hook of the parameter",
    "on_before_zero_grad": "put it into on_train_batch_end",
    "optimizer_step": "choose optimizer=… and schedule=…",
    "optimizer_zero_grad": "fastrun frees the gradients",
}
_BATCHES = ("on_after_batch_transfer", "on_before_batch_transfer", "transfer_batch_to_device")
REFUSED = {
    **_UPDATES,
    **dict.fromkeys(_DATA, "data=… chooses the data: put it into a LightningDataModule or a data factory"),
    **dict.fromkeys(_BATCHES, "change the samples in the data set, or the batch in training_step and validation_step"),
    "configure_callbacks": "add callbacks by +callbacks.NAME._target_=…",
    "configure_sharded_model": "use configure_model",
    "on_train_batch_start": "put it into training_step",
    "on_validation_batch_end": "put it into validation_step",
    "on_validation_batch_start": "put it into validation_step",
}
"""The methods of Lightning that a module must not have, as they would not be called, and what to do instead."""

CALLED = (
    *("training_step", "validation_step", "test_step", "setup", "configure_model", "configure_optimizers"),
    *("on_fit_start", "on_fit_end", "on_train_start", "on_train_end", "on_train_epoch_start", "on_train_epoch_end"),
    *("on_train_batch_end", "on_validation_start", "on_validation_end"),
    *("on_validation_epoch_start", "on_validation_epoch_end", "on_save_checkpoint", "on_load_checkpoint"),
)
"""The methods of Lightning that a run calls where a module has them; the last only with ``optimizer=own``."""


def has_own_loss(net: nn.Module | type) -> bool:
    """Say whether a network is a LightningModule with a ``training_step``."""
    return overrides(net, "training_step")


def overrides(net: nn.Module | type, name: str) -> bool:
    """Say whether a network is a LightningModule that defines one of Lightning's methods itself."""
    kind = net if isinstance(net, type) else type(net)
    for one in kind.__mro__:
        if is_lightning(one):
            return False
        if name in vars(one):
            return any(is_lightning(base) for base in kind.__mro__)
    return False


def is_lightning(kind: type) -> bool:
    """Say whether a class is Lightning's own LightningModule, of either of its packages."""
    is_named = kind.__name__ == "LightningModule"
    return is_named and kind.__module__.startswith(("pytorch_lightning.", "lightning."))


def call_hook(net: nn.Module, name: str, *arguments: Any) -> None:
    """Call one of Lightning's hooks of a network if it has one of its own."""
    if overrides(net, name):
        getattr(net, name)(*arguments)


def attach_trainer(net: nn.Module, trainer: Any) -> None:
    """Let a LightningModule read a trainer, and nothing where the network is another one."""
    if any(map(is_lightning, type(net).__mro__)):
        net.trainer = trainer


def check_module(net: nn.Module) -> None:
    """Check that a run calls all that a LightningModule relies on.

    Raises:
        ConfigError: it does not; the message names the method.
    """
    name = type(net).__qualname__
    if getattr(net, "automatic_optimization", True) is False:
        raise ConfigError(
            f"{name} sets automatic_optimization=False and takes its own steps, which fastrun would not control",
            "return the loss from training_step; networks that train against each other cannot be trained here",
        )
    for method, instead in REFUSED.items():
        if overrides(net, method):
            raise ConfigError(f"{name} has a {method} of its own, which would not be called", instead)
