"""The config of a network of transformers, with what follows from the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastrun.components.data.learned import DataState
from fastrun.components.model.hf_weights import Source
from fastrun.errors import ConfigError, nearest

_FROM_DATA = ("num_labels", "id2label", "label2id", "num_channels", "pad_token_id")
_MOST_UNUSED, _ROUND = 1024, 64  # networks have up to so many tokens beyond their tokenizer's, to a multiple of this


def config_of(
    transformers: Any,
    source: Source | None,
    model_type: str | None,
    arguments: Mapping[str, Any],
    kind: str,
    learned: DataState,
) -> Any:
    """Return the config of a network.

    Args:
        transformers: the library.
        source: the folder of trained weights; None for a network that starts untrained.
        model_type: the kind of a network that starts untrained.
        arguments: what the user sets of the config.
        kind: ``images``, ``texts`` or ``language``.
        learned: what there is to know of the data.

    Raises:
        ConfigError: there is no such network, a value does not fit, or the network does not fit the data.
    """
    for name in arguments:
        if name in _FROM_DATA:
            raise ConfigError(f"model.{name} follows from the data", "leave it out")
    config = _default(transformers, model_type, {}) if source is None else source.read_config(transformers)
    _set(config, arguments)
    if source is None:  # again, since other keys follow from these, such as the heads of keys from those of queries
        config = _default(transformers, model_type, arguments)
    if kind != "language":
        config.num_labels = learned.task.outputs
    if kind == "images":
        _fit_images(config, source, learned)
    else:
        _fit_tokens(config, source, arguments, learned)
    return config


def plain(config: Any) -> str:
    """Return a config as text, with every value, since another version of the library may have other defaults."""
    values = json.loads(config.to_json_string(use_diff=False))
    values.pop("_name_or_path", None)
    return json.dumps(values)


def restore_config(transformers: Any, record: Mapping[str, Any]) -> Any:
    """Return the config that a run keeps."""
    values = json.loads(record["config"])
    if "folder" in record and values["model_type"] not in transformers.CONFIG_MAPPING:
        config = Source.of_record(record).read_config(transformers)
        for name, value in values.items():
            setattr(config, name, value)
        return config
    return transformers.CONFIG_MAPPING[values["model_type"]].from_dict(values)


def check_unchanged(config: Any, record: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Check that a run goes on with the network that it began with.

    Args:
        config: the config that the run keeps.
        record: what the run keeps of its network.
        given: ``source``, ``type``, and what the user sets of the config.

    Raises:
        ConfigError: something else is given now.
    """
    kept = {"source": record.get("source"), "type": None if "source" in record else config.model_type}
    kept |= {name: getattr(config, name, None) for name in given.keys() - kept.keys()}
    for name, value in given.items():
        is_plain = isinstance(value, (bool, int, float, str)) and type(value) is type(kept[name])
        if (is_plain or name in ("source", "type")) and value != kept[name]:
            raise ConfigError(f"model.{name}={value}: the run began with {kept[name]}", "start a new run")


def _default(transformers: Any, model_type: str | None, arguments: Mapping[str, Any]) -> Any:
    known = transformers.CONFIG_MAPPING
    if model_type not in known:
        hint = nearest(str(model_type), list(known)) or "such as bert, distilbert, gpt2, llama, vit"
        raise ConfigError(f"model.type={model_type}: transformers has no such network", hint)
    own = known[model_type].attribute_map
    values = {own.get(name, name): list(one) if isinstance(one, tuple) else one for name, one in arguments.items()}
    config = known[model_type](**values)
    for name in ("bos_token_id", "eos_token_id"):  # of the published network's own tokens
        if name not in arguments:
            setattr(config, name, None)
    return config


def _set(config: Any, arguments: Mapping[str, Any]) -> None:
    """Set what the user sets of a config."""
    known = {*config.to_dict(), *config.attribute_map}
    for name, value in arguments.items():
        if name not in known:
            hint = nearest(name, known) or "its keys are those of its config in transformers"
            raise ConfigError(f"model.{name} is no key of the config of {config.model_type}", hint)
        try:
            setattr(config, name, list(value) if isinstance(value, tuple) else value)
        except Exception as error:  # the library checks types and values in its own way
            reason = str(error).strip().splitlines()[-1].strip()
            raise ConfigError(f"model.{name}={value} is refused by transformers: {reason}") from error


def _fit_images(config: Any, source: Source | None, learned: DataState) -> None:
    channels, height, width = learned.in_shape
    size: Any = height if height == width else [height, width]
    own_size, own_channels = getattr(config, "image_size", None), getattr(config, "num_channels", None)
    if source is None:
        if own_size is not None:
            config.image_size = size
        if own_channels is not None:
            config.num_channels = channels
        return
    if own_channels not in (None, channels):
        message = f"model.source={source.name} takes images of {own_channels} channels; this data has {channels}"
        raise ConfigError(message, "use other data, or model.type to start untrained")
    if own_size is not None and _sides(own_size) != (height, width):
        rows, columns = _sides(own_size)
        message = f"model.source={source.name} takes images of {rows} x {columns}; this data has {height} x {width}"
        raise ConfigError(message, f"data.size={rows} resizes images of a folder")


def _sides(size: Any) -> tuple[int, int]:
    return (int(size), int(size)) if isinstance(size, int) else (int(size[0]), int(size[1]))


def _fit_tokens(config: Any, source: Source | None, arguments: Mapping[str, Any], learned: DataState) -> None:
    state = learned.tokenizer
    count = learned.task.vocabulary if learned.task.vocabulary is not None else _count(state)
    text = config.get_text_config()
    if source is not None:
        _check_vocabulary(text.vocab_size, count, source, state)
    elif count is None and "vocab_size" not in arguments:
        message = "model.vocab_size is not set, and the number of different tokens of this data is not known"
        raise ConfigError(message, "+model.vocab_size=…, or data=hf with a tokenizer")
    elif "vocab_size" not in arguments:
        text.vocab_size = count
    elif count is not None and text.vocab_size < count:
        raise ConfigError(f"model.vocab_size={text.vocab_size}: this data has {count} different tokens", "leave it out")
    if state is not None and state["pad"] is not None:
        config.pad_token_id = text.pad_token_id = state["pad"]
    elif source is None:
        config.pad_token_id = text.pad_token_id = None
    _fit_length(text, source, arguments, learned)


def _count(state: Mapping[str, Any] | None) -> int | None:
    from fastrun.components.tokenizer.restore import restore

    return None if state is None else len(restore(state).names)


def _check_vocabulary(own: int, count: int | None, source: Source, state: Mapping[str, Any] | None) -> None:
    """Check that a network was trained with the tokens of the data, as far as that can be known.

    Raises:
        ConfigError: it was not.
    """
    hint = f"tokenizer=pretrained tokenizer.source={source.name}"
    if state is None and count is None:
        return  # tokens of the user's own
    if state is None or state["kind"] != "pretrained":
        name = "characters" if state is None else state["kind"]
        problem = f"model.source={source.name} was trained with {own} tokens of its own, not with tokenizer={name}"
        raise ConfigError(problem, hint)
    assert count is not None
    is_same = state["source"].partition("@")[0] == source.name
    is_rounded = own % _ROUND == 0 and own - _MOST_UNUSED < count
    if count > own or not (is_same or is_rounded or count == own):
        raise ConfigError(f"model.source={source.name} has {own} tokens; the tokenizer has {count}", hint)


def _fit_length(config: Any, source: Source | None, arguments: Mapping[str, Any], learned: DataState) -> None:
    """Let a network have as many places as the data has, or check that it does."""
    (length,) = learned.in_shape
    most = getattr(config, "max_position_embeddings", None)
    if most is None:
        return
    before = (config.pad_token_id or 0) + 1 if "roberta" in config.model_type else 0  # places that they begin after
    if most >= length + before:
        return
    if source is None and not {"max_position_embeddings", "n_positions"} & arguments.keys():
        config.max_position_embeddings = length + before
        return
    name = f"model.source={source.name}" if source is not None else f"model.max_position_embeddings={most}"
    raise ConfigError(f"{name} takes {most - before} tokens; data.length={length}", f"data.length={most - before}")
