"""What an exported model takes and returns, in words and in shapes."""

from __future__ import annotations

from dataclasses import dataclass

from fastrun.components.data.columns import ColumnEncoding
from fastrun.components.data.inputs import Images, Rows, input_kind
from fastrun.components.data.learned import DataState
from fastrun.training.objective.lightning_module import has_own_loss
from fastrun.training.trained.model import TrainedNetwork

_MAKES_PROBABILITIES = {
    "bce": "a sigmoid makes the probability of each class of them",
    "mse": "trained to be 1 for the class and 0 for others",
}


@dataclass(frozen=True)
class Interface:
    """What a model takes and returns.

    Attributes:
        dtype: the type of the inputs' numbers.
        shape: the sizes of the inputs: a name where any size is taken.
        takes: the inputs, in words.
        inside: what the model does to them, in words.
        out_shape: the sizes of the outputs.
        returns: the outputs, in words.
        columns: what each input of a row holds, in words, by its name; empty for other data.
    """

    dtype: str
    shape: list[str | int]
    takes: str
    inside: str
    out_shape: list[str | int]
    returns: str
    columns: dict[str, str]

    @property
    def inputs(self) -> str:
        """Return the type and the sizes of the inputs, such as ``uint8 [batch, 1, 8, 8]``."""
        return f"{self.dtype} [{', '.join(map(str, self.shape))}]"

    @property
    def outputs(self) -> str:
        """Return the sizes of the outputs, such as ``[batch, 10]``."""
        return f"[{', '.join(map(str, self.out_shape))}]"


def interface_of(trained: TrainedNetwork, *, any_length: bool) -> Interface:
    """Return what a model takes and returns.

    Args:
        trained: the network, and what its run learned from its data.
        any_length: whether a model of text takes shorter sequences than its run had.
    """
    learned = trained.learned
    is_text = learned.task.name == "language"
    sizes: list[str | int] = ["length"] if is_text and any_length else [*learned.in_shape]
    outputs: list[str | int] = (
        [*sizes, learned.task.outputs] if is_text else [*learned.task.shape(1, learned.in_shape)[1:]]
    )
    if has_own_loss(trained.net):
        outputs = ["…"]
    return Interface(
        dtype=learned.dtype,
        shape=["batch", *sizes],
        takes=_takes(learned, any_length),
        inside=_inside(trained),
        out_shape=["batch", *outputs],
        returns=_returns(trained),
        columns=_columns(learned),
    )


def _takes(learned: DataState, any_length: bool) -> str:
    kind = input_kind(learned)
    if isinstance(kind, Images):
        colors = "gray" if learned.in_shape[0] == 1 else f"{learned.in_shape[0]} channels"
        return f"images ({colors}; channels, rows, columns) whose pixels are 0 to {learned.encoding.get('white', 255)}"
    if isinstance(kind, Rows):
        return "rows of a table, encoded as README.md lists"
    if learned.task.name == "language":
        (length,) = learned.in_shape
        return f"sequences of {f'1 to {length}' if any_length else length} tokens, each by its index"
    return "samples as the data set holds them"


def _inside(trained: TrainedNetwork) -> str:
    learned, views, parts = trained.learned, trained.settings.views, []
    if learned.dtype == "uint8":
        parts.append("each channel is scaled to mean 0 and deviation 1, as in training")
    if views != "none":
        parts.append(f"logits are averaged over variants of an image (views={views})")
    if learned.task.name == "regression" and not has_own_loss(trained.net):
        parts.append("outputs are brought to the unit of the targets")
    return "; ".join(parts) or "nothing but the network"


def _returns(trained: TrainedNetwork) -> str:
    task = trained.learned.task
    if has_own_loss(trained.net):
        return "what the forward of the LightningModule returns"
    if task.name == "regression":
        target = trained.learned.encoding.get("target")
        return f"{target or 'the numbers'}, in the unit of the targets"
    if task.name == "image_to_image":
        return "images, in the unit of the targets"
    if task.name == "multilabel":
        return "logits of the labels; sigmoid makes probabilities of them"
    if task.name == "language":
        return "logits of each next token; softmax makes probabilities of them"
    how = _MAKES_PROBABILITIES.get(str(trained.settings.loss["_target_"]), "softmax makes probabilities of them")
    where = " of each pixel" if task.is_dense else ""
    return f"logits of the classes{where}; {how}"


def _columns(learned: DataState) -> dict[str, str]:
    columns: dict[str, str] = {}
    for state in learned.encoding.get("columns", []):
        columns |= ColumnEncoding(**state).describe_inputs()
    return columns
