"""Keeps secrets out of messages, logs, files and folder names.

A secret is a value under a key that is named as one (``api_key``, ``password``, ``hub_token`` …), the value of an
environment variable with such a name or of a header, or the password, token or signature in a URL. A run uses it, and
everything that is written or printed has a mark in its place. A reference such as ``${oc.env:WANDB_API_KEY}`` is
written as it stands, so that a run that is resumed looks it up again.

The module keeps two dictionaries for the whole process, ``_known`` and ``_literal``. They cannot be an object that is
handed on, because an error message can be made anywhere: :class:`fastrun.errors.FastrunError` redacts its message
where it is raised, which may be in any file, or in a user's own code that Lightning or Hydra calls, and the filter of
a logger has nothing but the record. A single place without such an object would print a secret. Sharing is safe:
secrets are only added to ``_known``, and to redact a text that is no secret of this run does no harm.
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

_SECRET_WORDS = {
    "token", "password", "passwords", "passwd", "passphrase", "pwd", "secret", "secrets", "apikey", "accesskey",
    "authkey", "credential", "credentials", "auth", "authorization", "bearer",
}  # fmt: skip
_BEFORE_KEY = {"api", "access", "private", "secret", "signing", "encryption", "ssh", "account", "auth"}
_BEFORE_TOKEN = {"pad", "cls", "class", "eos", "bos", "mask", "unk", "sep", "num", "max", "min", "per"}  # of a text
_SCHEMES = {"bearer", "basic", "digest"}  # stand before the secret of a header
_MIN_LENGTH = 8  # characters of a secret that is searched for in texts; a shorter one may be an ordinary word
_VARIABLE = "FASTRUN_SECRETS"

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_REFERENCE = re.compile(r"\$\{[^{},'\"]+\}")  # without a default value, which would be a secret itself
_IN_QUERIES = {"sig", "signature", "key", "hmac"}  # last words of secrets in the query of a URL
_URL_PASSWORD = re.compile(r"([a-zA-Z][\w+.-]*\\?://(?!\$)[^\s/:@]*:)([^\s/]+)(?=@)")  # Hydra may escape colons
_URL_TOKEN = re.compile(r"((?<![\w.])(?:\w+\+)?https?\\?://)(\$\{[^}]*\}|[^\s/:@]{8,})(?=@)")  # a shorter one is a user
_URL_QUERY = re.compile(r"([?&])([\w.-]+)(=)([^\s&#'\"]+)")
_HEADER = re.compile(r"(\s*([\w-]+)\s*:\s+(?:[A-Za-z]+\s+(?=\S))?)(\S.*)", re.S)  # such as `X-Api-Key: …`
_AUTHORIZATION = re.compile(
    r"(\bauthorization['\"]?\s*[:=]\s*['\"]?(?:(?:bearer|basic|token|digest|apikey)\s+)?|\bbearer\s+(?=\S{8}))"
    r"(<redacted>|\$\{[^}]*\}|[^\s'\",\]}<]+)",
    re.I,
)
_ASSIGNMENT = re.compile(
    r"()([\w.-]+)(\s*[=:]\s*)(\$\{[^}]*\}|\"[^\"]*\"|'[^']*'|\[[^\]]*\]|\{[^}]*\}|[^\s,{}\[\]'\"&…]+)"
)
_ENVIRONMENT = re.compile(r"\$\{oc\.env:\s*(\w+)\s*(?:,([^}]*))?\}")

_known: dict[str, str] = {}  # replacement of each secret, and of each longer text that contains one
_literal: dict[str, Any] = {}  # values of the newest config that config.yaml lacks, by dotted key


@functools.cache
def is_secret(key: str) -> bool:
    """Say whether the value of a key is a secret.

    Args:
        key: the key, with or without dots. Its last words decide: ``api_key`` is a secret, ``num_tokens`` is not.
    """
    words = [word.lower() for word in _WORD.findall(key.rpartition(".")[2])]
    before, last = ["", "", *words][-2:]
    if last == "key":
        return before in _BEFORE_KEY
    if last == "token" and before in _BEFORE_TOKEN:
        return False
    if last == "pwd" and not before:  # PWD is the current folder
        return False
    return last in _SECRET_WORDS


def redact(node: Any, redact_value: Callable[[str], str] | None = None, is_below_secret: bool = False) -> Any:
    """Return plain data without secrets.

    Args:
        node: mappings, lists and plain values.
        redact_value: redacts the texts under keys that are not secret; None for :func:`redact_text`.
        is_below_secret: whether all of ``node`` is the value of a secret's key.

    Returns:
        A copy in which every secret is replaced.
    """
    if isinstance(node, Mapping):
        return {key: redact(value, redact_value, is_below_secret or is_secret(str(key))) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [redact(value, redact_value, is_below_secret) for value in node]
    if is_below_secret and _can_be_secret(node):
        text = str(node)
        return text if _REFERENCE.fullmatch(text) else _known.get(text, MARK)
    return (redact_value or redact_text)(node) if isinstance(node, str) else node


def redact_text(text: str) -> str:
    """Return the text of a value without known secrets, passwords in URLs and secrets in their queries."""
    if text in _known and len(text) >= _MIN_LENGTH:
        return _known[text]
    for secret in sorted({*_known, *_environment_secrets()}, key=len, reverse=True):
        if len(secret) >= _MIN_LENGTH:
            text = text.replace(secret, MARK)
    return _replace_parts(text, _redact_unless_reference)


def _replace_parts(text: str, replace: Callable[[str], str]) -> str:
    """Replace the secrets in a text that its syntax shows: in URLs, in headers, and after ``Bearer``."""
    for pattern in (_URL_PASSWORD, _URL_TOKEN, _AUTHORIZATION):
        text = pattern.sub(lambda match: match[1] + replace(match[2]), text)
    header = _HEADER.fullmatch(text)
    if header and is_secret(header[2]) and header[3] != MARK:
        text = header[1] + replace(header[3])
    return _URL_QUERY.sub(lambda match: _replace_in_query(match, replace), text)


def _replace_in_query(match: re.Match[str], replace: Callable[[str], str]) -> str:
    before, key, sign, value = match.groups()
    is_secret_value = is_secret(key) or (_WORD.findall(key)[-1:] and _WORD.findall(key)[-1].lower() in _IN_QUERIES)
    return f"{before}{key}{sign}{replace(value) if is_secret_value else value}"


def redact_message(text: str) -> str:
    """Return a message for people without secrets; unlike :func:`redact_text`, it looks for ``key=value`` as well."""
    return _ASSIGNMENT.sub(_redact_assignment, redact_text(text))


def redact_override(override: str) -> str:
    """Return an override of the command line without secrets."""
    key, equals, value = override.strip("'\"").partition("=")
    if equals and is_secret(key):
        return f"{key}={_redact_unless_reference(value)}"
    return redact_message(override)


def redact_record(record: logging.LogRecord) -> bool:
    """Redact the message and the traceback of a log record in place.

    Returns:
        True, so that the function can be used as a filter of a logger.
    """
    record.msg, record.args = redact_message(record.getMessage()), None
    if record.exc_info and not record.exc_text:
        record.exc_text = redact_message(logging.Formatter().formatException(record.exc_info))
    return True


def learn_overrides(overrides: Iterable[str]) -> None:
    """Remember the secrets of a command line, before an error about it can be raised."""
    for override in overrides:
        key, _, value = override.strip("'\"").partition("=")
        if is_secret(key) and not _REFERENCE.fullmatch(value):
            _known.setdefault(value.strip("'\""), MARK)


def learn(raw: Any, resolved: Any) -> None:
    """Remember the secrets of a composed config.

    Args:
        raw: the plain data of the config, with references as they are written.
        resolved: the same data with every reference replaced by its value.
    """
    _literal.clear()
    for key, is_below_secret, reference, value in _leaves(raw, resolved, "", False):
        for name, default in _ENVIRONMENT.findall(reference):
            if is_secret(name) and default.strip():
                _known.setdefault(default.strip(" '\""), MARK)
        text = str(value)
        if is_below_secret and _can_be_secret(value):
            _known[text] = reference if _REFERENCE.fullmatch(reference) else MARK
        elif reference != text and redact_text(text) != text and redact_text(reference) == reference:
            _known[text] = reference
        if isinstance(value, str):
            _replace_parts(value, _learn_part)
        if MARK in str(redact(value, None, is_below_secret)):
            _literal[key] = value


def _learn_part(part: str) -> str:
    """Remember a part of a value that is a secret, which an error may show without what stands around it."""
    if len(part) >= _MIN_LENGTH and part != MARK and not _REFERENCE.fullmatch(part):
        _known.setdefault(part, MARK)
    return part


def redacted_keys(config: Any) -> list[str]:
    """Return the dotted keys of the values that were redacted when a config was written."""
    return [key for key, _, _, value in _leaves(config, config, "", False) if isinstance(value, str) and MARK in value]


def secrets_for_child() -> dict[str, str]:
    """Return the environment variables that give a child process the secrets that config.yaml lacks."""
    return {_VARIABLE: json.dumps(_literal)} if _literal else {}


def known_secrets() -> dict[str, Any]:
    """Return the secrets of this process, for :func:`remember` in another process of the same run or sweep."""
    return {"known": dict(_known), "literal": dict(_literal)}


def remember(secrets: Mapping[str, Any]) -> None:
    """Remember the secrets of another process, as :func:`known_secrets` returned them there."""
    _known.update(secrets["known"])
    _literal.update(secrets["literal"])


def restore(config: Any, key: str = "") -> Any:
    """Return a config from a file with the redacted values that the parent process passed in the environment.

    Args:
        config: plain data.
        key: the dotted key under which it stands.
    """
    secrets = json.loads(os.environ.get(_VARIABLE, "{}"))
    if isinstance(config, Mapping):
        return {name: restore(value, f"{key}.{name}".lstrip(".")) for name, value in config.items()}
    if isinstance(config, list):
        return [restore(value, f"{key}.{index}") for index, value in enumerate(config)]
    return secrets.get(key, config) if isinstance(config, str) and MARK in config else config


def _leaves(raw: Any, resolved: Any, key: str, is_below_secret: bool) -> Iterator[tuple[str, bool, str, Any]]:
    """Yield for each value its dotted key, whether that is a secret's, and the value as written and as resolved."""
    if isinstance(resolved, Mapping):
        children: Iterable[tuple[Any, Any]] = resolved.items()
    elif isinstance(resolved, (list, tuple)):
        children = enumerate(resolved)
    else:
        yield key, is_below_secret, str(raw), resolved
        return
    for name, value in children:
        written = raw if isinstance(raw, str) else raw[name]  # one reference may stand for a whole group
        is_named = is_below_secret or (isinstance(resolved, Mapping) and is_secret(str(name)))
        yield from _leaves(written, value, f"{key}.{name}".lstrip("."), is_named)


def _can_be_secret(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool) and value != ""


def _environment_secrets() -> list[str]:
    return [value for name, value in os.environ.items() if is_secret(name)]


def _redact_unless_reference(value: str) -> str:
    return value if _REFERENCE.fullmatch(value) else MARK


def _redact_assignment(match: re.Match[str]) -> str:
    """Return ``key=value`` with the mark as the value of a secret's key; other values may contain assignments."""
    before, key, sign, value = match.groups()
    if is_secret(key) and value.lower() in _SCHEMES:
        return match[0]  # what follows has been replaced
    if is_secret(key):
        return f"{before}{key}{sign}{_redact_unless_reference(value)}"
    return f"{before}{key}{sign}{value[0]}{_ASSIGNMENT.sub(_redact_assignment, value[1:])}"
