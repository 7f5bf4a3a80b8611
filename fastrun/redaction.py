"""Secrets: which values of a config are, and what is written in their place.

A secret is what stands under a key named as one (``api_key``, ``password``, ``hub_token`` …), in a variable of the
environment of such a name, or before the ``@`` of a URL. A run uses it; no file, message or folder's name shows it. A
reference such as ``${oc.env:WANDB_API_KEY}`` is shown as it is, so that a run that resumes looks it up again; all else
becomes a mark.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

MARK = "<redacted>"

_NAMES = {
    "token", "password", "passwords", "passwd", "passphrase", "pwd", "secret", "secrets", "apikey", "accesskey",
    "authkey", "credential", "credentials", "auth", "authorization", "bearer",
}  # fmt: skip
_KEYS = {"api", "access", "private", "secret", "signing", "encryption", "ssh", "account", "auth"}  # before "key"
_COUNTED = {"pad", "cls", "class", "eos", "bos", "mask", "unk", "sep", "num", "max", "min", "per"}  # before "token"
_LEAST = 8  # characters of a secret that is looked for in texts: a shorter one may be a word like any other
_VARIABLE = "FASTRUN_SECRETS"

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_REFERENCE = re.compile(r"\$\{[^{},'\"]+\}")  # without a default, which would be a secret itself
_LOGIN = re.compile(
    r"([a-zA-Z][\w+.-]*\\?://[^\s/:@]*:)([^\s/]+)(?=@)"
)  # with Hydra's backslashes, as a sweep has them
_QUERY = re.compile(r"([?&])([\w.-]+)(=)([^\s&#'\"]+)")
_SAID = re.compile(r"()([\w.-]+)(\s*[=:]\s*)(\$\{[^}]*\}|\"[^\"]*\"|'[^']*'|\[[^\]]*\]|\{[^}]*\}|[^\s,{}\[\]'\"&…]+)")
_ENVIRONMENT = re.compile(r"\$\{oc\.env:\s*(\w+)\s*(?:,([^}]*))?\}")

_known: dict[str, str] = {}  # secrets, and texts that hold one, of this process's configs: what is shown instead
_literal: dict[str, Any] = {}  # dotted keys of the newest config whose values no file tells


@functools.cache
def is_secret(key: str) -> bool:
    """Say whether the value of a key, dotted or not, is a secret, going by the key's last words."""
    words = [word.lower() for word in _WORD.findall(key.rpartition(".")[2])]
    last, before = ["", "", *words][-1], ["", "", *words][-2]
    if last == "key":
        return before in _KEYS
    return last in _NAMES and not (last == "token" and before in _COUNTED) and not (last == "pwd" and not before)


def redact(node: Any, hide: Callable[[str], str] | None = None, is_below: bool = False) -> Any:
    """Return plain data as it may be written: no secret in it.

    Args:
        node: mappings, lists and plain values.
        hide: what hides secrets in a text under a key that is not named as one; None: :func:`redact_text`.
        is_below: whether all of it stands under a key named as a secret.
    """
    if isinstance(node, Mapping):
        return {key: redact(value, hide, is_below or is_secret(str(key))) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [redact(value, hide, is_below) for value in node]
    if is_below and _can_be_secret(node):
        text = str(node)
        return text if _REFERENCE.fullmatch(text) else _known.get(text, MARK)
    return (hide or redact_text)(node) if isinstance(node, str) else node


def redact_text(text: str) -> str:
    """Return a value's text without what is known to be secret: passwords in URLs, and values of secrets elsewhere."""
    if text in _known and len(text) >= _LEAST:
        return _known[text]
    for secret in sorted({*_known, *_of_environment()}, key=len, reverse=True):
        if len(secret) >= _LEAST:
            text = text.replace(secret, MARK)
    text = _LOGIN.sub(lambda found: found[1] + (found[2] if _REFERENCE.fullmatch(found[2]) else MARK), text)
    return _QUERY.sub(_named, text)


def clean(text: str) -> str:
    """Return a message, an override or another line for people without secrets, those told as ``key=value`` as well."""
    return _SAID.sub(_named, redact_text(text))


def redact_override(override: str) -> str:
    """Return an override of the command line as it may be written."""
    key, equals, value = override.strip("'\"").partition("=")
    if equals and is_secret(key):
        return f"{key}={value if _REFERENCE.fullmatch(value) else MARK}"
    return clean(override)


def clean_record(record: logging.LogRecord) -> bool:
    """Clean what is about to be logged; a filter for loggers that lets everything pass."""
    record.msg, record.args = clean(record.getMessage()), None
    if record.exc_info and not record.exc_text:
        record.exc_text = clean(logging.Formatter().formatException(record.exc_info))
    return True


def learn_overrides(overrides: Iterable[str]) -> None:
    """Remember the secrets of a command line, before anything can go wrong with it and be told."""
    for override in overrides:
        key, _, value = override.strip("'\"").partition("=")
        if is_secret(key) and not _REFERENCE.fullmatch(value):
            _known.setdefault(value.strip("'\""), MARK)


def learn(raw: Any, resolved: Any) -> None:
    """Remember the secrets of a composed config.

    Args:
        raw: its plain data with references as they stand.
        resolved: the same, every reference followed.
    """
    _literal.clear()
    for key, is_below, reference, value in _leaves(raw, resolved, "", False):
        for name, default in _ENVIRONMENT.findall(reference):
            if is_secret(name) and default.strip():
                _known.setdefault(default.strip(" '\""), MARK)
        text = str(value)
        if is_below and _can_be_secret(value):
            _known[text] = reference if _REFERENCE.fullmatch(reference) else MARK
        elif reference != text and redact_text(text) != text and redact_text(reference) == reference:
            _known[text] = reference
        if MARK in str(redact(value, None, is_below)):
            _literal[key] = value


def redacted_keys(config: Any) -> list[str]:
    """Return the dotted keys of values that were secrets when the config was written."""
    return [key for key, _, _, value in _leaves(config, config, "", False) if isinstance(value, str) and MARK in value]


def secrets_for_child() -> dict[str, str]:
    """Return what to add to the environment of another process of this run: the secrets that config.yaml lacks."""
    return {_VARIABLE: json.dumps(_literal)} if _literal else {}


def known_secrets() -> dict[str, Any]:
    """Return what this process knows to be secret, for :func:`remember` in one that is handed its settings."""
    return {"known": dict(_known), "literal": dict(_literal)}


def remember(what: Mapping[str, Any]) -> None:
    """Know what another process knows to be secret."""
    _known.update(what["known"])
    _literal.update(what["literal"])


def restore(config: Any, key: str = "") -> Any:
    """Return a written config with the secrets that the process which started this one has handed on."""
    given = json.loads(os.environ.get(_VARIABLE, "{}"))
    if isinstance(config, Mapping):
        return {name: restore(value, f"{key}.{name}".lstrip(".")) for name, value in config.items()}
    if isinstance(config, list):
        return [restore(value, f"{key}.{index}") for index, value in enumerate(config)]
    return given.get(key, config) if isinstance(config, str) and MARK in config else config


def _leaves(raw: Any, resolved: Any, key: str, is_below: bool) -> Iterator[tuple[str, bool, str, Any]]:
    """Yield each value's dotted key, whether it stands under a secret's name, and it, as written and as resolved."""
    inner = resolved.items() if isinstance(resolved, Mapping) else enumerate(resolved) if _is_list(resolved) else None
    if inner is None:
        yield key, is_below, str(raw), resolved
        return
    for name, value in inner:
        written = raw if isinstance(raw, str) else raw[name]  # a reference may stand for a whole group
        is_named = is_below or (isinstance(resolved, Mapping) and is_secret(str(name)))
        yield from _leaves(written, value, f"{key}.{name}".lstrip("."), is_named)


def _is_list(node: Any) -> bool:
    return isinstance(node, (list, tuple))


def _can_be_secret(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool) and value != ""


def _of_environment() -> list[str]:
    return [value for name, value in os.environ.items() if is_secret(name)]


def _named(found: re.Match[str]) -> str:
    """Return ``key=value`` with the mark for the value of a secret's key."""
    before, key, sign, value = found.groups()
    if is_secret(key):
        return found[0] if _REFERENCE.fullmatch(value) else f"{before}{key}{sign}{MARK}"
    return f"{before}{key}{sign}{value[0]}{_SAID.sub(_named, value[1:])}"
