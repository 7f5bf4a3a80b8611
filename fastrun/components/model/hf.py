"""Any network of the library transformers for classes of images or texts, and for next tokens.

Source: Wolf et al. 2020, "Transformers: State-of-the-Art Natural Language Processing".
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from fastrun.components.data.learned import DataState
from fastrun.components.model.hf_config import check_unchanged, config_of, plain, restore_config
from fastrun.components.model.hf_library import import_transformers, quiet
from fastrun.components.model.hf_weights import Source, check_code_is_trusted, find_source, load_network
from fastrun.components.model.recorded import RecordedNetwork
from fastrun.errors import ConfigError

_AUTO = {
    "images": "AutoModelForImageClassification",
    "texts": "AutoModelForSequenceClassification",
    "language": "AutoModelForCausalLM",
}


def hf(
    learned: DataState,
    source: str | None = None,
    revision: str | None = None,
    type: str | None = None,
    trust: bool = False,
    **arguments: Any,
) -> nn.Module:
    """Build a network of transformers for the task of the data: images, texts, or next tokens.

    Labels, tokens, channels and the size of images follow from the data. Input images ``[batch, channels, height,
    width]`` or tokens ``[batch, length]``; output logits ``[batch, classes]``, or ``[batch, length, tokens]`` of each
    next token. Places of texts that only fill them up are masked.

    Args:
        learned: what there is to know of the data.
        source: a folder with trained weights, or a name of the hub; None to start from ``type``, untrained.
        revision: the branch, tag or commit of the hub; None for the newest, whose commit the run keeps.
        type: the ``model_type`` of a network that starts untrained, such as ``bert``.
        trust: run the code that comes with ``source``, if its network is none of the library's own; the command line
            must trust ``transformers_modules`` as well.
        arguments: for the config of the network, as in ``+model.hidden_size=64``.

    Raises:
        ConfigError: neither ``source`` nor ``type`` is set, or both; there is no such network, or it does not fit the
            data; its weights are pickled, or it comes with code that is not trusted.
    """
    kind = _kind_of(learned)
    transformers = import_transformers()
    auto = getattr(transformers, _AUTO[kind])
    if learned.network:
        return _build_again(transformers, auto, kind, learned, trust, {"source": source, "type": type} | arguments)
    if (source is None) == (type is None):
        problem = "neither model.source nor model.type is set" if source is None else "model.source and model.type"
        hint = "model.source=FOLDER for trained weights, model.type=bert to start untrained"
        raise ConfigError(problem if source is None else f"{problem} exclude each other", hint)
    if trust:
        check_code_is_trusted()
    if source is None and (revision is not None or trust):
        key = "revision" if revision is not None else "trust"
        raise ConfigError(f"model.{key} is for model.source, and model.type has none", "leave it out")
    found = None if source is None else find_source(source, revision, trust)
    with quiet(transformers):
        config = config_of(transformers, found, type, arguments, kind, learned)
    network, fresh = load_network(auto, config, found, with_weights=True)
    record = {"config": plain(config)} | ({} if found is None else found.record())
    return HubNetwork(network, kind, learned, record, None if found is None else found.describe(), fresh)


def _build_again(
    transformers: Any, auto: Any, kind: str, learned: DataState, trust: bool, given: dict[str, Any]
) -> HubNetwork:
    """Build the network of a run, whose weights are in its checkpoint; neither a folder nor the hub is needed.

    Raises:
        ConfigError: the config names another network than the run has.
    """
    if trust:
        check_code_is_trusted()
    config = restore_config(transformers, learned.network)
    check_unchanged(config, learned.network, given)
    source = Source.of_record(learned.network) if trust else None
    network, _ = load_network(auto, config, source, with_weights=False)
    return HubNetwork(network, kind, learned, learned.network)


def _kind_of(learned: DataState) -> str:
    """Return the kind of the network: ``images``, ``texts`` or ``language``.

    Raises:
        ConfigError: the data is none of these.
    """
    is_float = learned.dtype.startswith(("float", "bfloat"))
    if len(learned.in_shape) == 3 and not learned.task.is_dense:
        return "images"
    if len(learned.in_shape) == 1 and not is_float and learned.dtype != "uint8":
        return "language" if learned.task.name == "language" else "texts"
    found = f"{learned.dtype} samples of shape {list(learned.in_shape)}"
    raise ConfigError(
        f"model=hf needs images or tokens; this data has {found}", learned.task.needs or "use model=mlp for vectors"
    )


class HubNetwork(RecordedNetwork):
    """A network of transformers as one of tensors: it takes a batch of inputs and returns logits.

    Args:
        network: the network of the library.
        kind: ``images``, ``texts`` or ``language``.
        learned: what there is to know of the data.
        record: what the network was built from.
        origin: where its trained weights are from, in words; None if it has none.
        fresh: which of its weights were not there, in words.

    Attributes:
        model_type: the name of the network's kind in the library.
    """

    def __init__(
        self,
        network: Any,
        kind: str,
        learned: DataState,
        record: dict[str, Any],
        origin: str | None = None,
        fresh: str = "",
    ) -> None:
        super().__init__(record, origin, fresh)
        self.network = network
        self.model_type = str(network.config.model_type)
        self.kind, self.outputs = kind, learned.task.outputs
        self.pad = None if learned.tokenizer is None else learned.tokenizer["pad"]

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``[batch, classes]``, or ``[batch, length, tokens]``."""
        if self.kind == "images":
            return self.network(pixel_values=x).logits  # type: ignore[no-any-return]
        tokens = x.long()
        if self.kind == "language":
            logits: Tensor = self.network(input_ids=tokens, use_cache=False).logits
            return logits[..., : self.outputs]  # some networks have more tokens than their tokenizer, for speed
        return self.network(input_ids=tokens, attention_mask=self._mask(tokens)).logits  # type: ignore[no-any-return]

    def _mask(self, tokens: Tensor) -> Tensor | None:
        """Return 1 for the tokens of each text and 0 for those that fill it up; the first always counts."""
        if self.pad is None:
            return None
        mask = tokens.ne(self.pad)
        mask[:, 0] = True
        return mask.long()
