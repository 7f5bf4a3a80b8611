"""Why a config was refused, in one line, with the nearest right name.

Hydra's own messages are right but long, and a hint in them may repeat the mistake; this reads the facts off them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fastrun import menu
from fastrun.errors import ConfigError, FastrunError, nearest
from fastrun.settings import OPEN, known_keys


def refusal(error: BaseException, overrides: Sequence[str]) -> FastrunError:
    """Return the error to show for what Hydra or OmegaConf raised while composing ``overrides``."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, FastrunError):
            return cause
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    text = "\n".join(str(link) for link in chain)
    return _option(text) or _group(text) or _value(text, overrides) or _key(text, overrides) or _plain(text)


def _option(text: str) -> ConfigError | None:
    found = re.search(r"Could not find '([^']+)/([^'/]+)'", text) or re.search(
        r"Could not (?:find|load) '()([^']+)'", text
    )
    if not found:
        return None
    group, name = found.groups()
    if group == "recipe" or group.startswith("recipe/"):
        name = f"{group}/{name}".removeprefix("recipe/")
        return ConfigError(f"no recipe {name}", nearest(name, menu.recipes()) or "`fastrun recipes` lists them")
    if not group:
        return ConfigError(f"no config {name}", "`fastrun options` lists the groups")
    known = menu.options(group)
    hint = nearest(name, known) or (
        f"choose from {', '.join(known)}" if known else "`fastrun options` lists the groups"
    )
    return ConfigError(f"{group}={name}: no such option", hint)


def _group(text: str) -> ConfigError | None:
    found = re.search(r"Could not override '([^'@]+)'[^\n]*\.?\s*No match in the defaults list", text)
    if not found:
        return None
    return _unknown(found[1])


def _value(text: str, overrides: Sequence[str]) -> ConfigError | None:
    found = re.search(
        r"(Value '[^']*'.*?|Cannot convert '[^']*'.*?|Invalid type assigned.*?)\n\s*full_key: (\S+)", text
    )
    if found:
        return ConfigError(f"{found[2]}: {found[1]}", _hint_of(found[2]))
    if (
        "mismatched input" in text
        or "no viable alternative" in text
        or "extraneous input" in text
        or "token recog" in text
    ):
        line = text.strip().splitlines()[0]
        return ConfigError(line, "quote values that hold spaces, commas or brackets: 'key=\"a b\"'")
    found = re.search(r"Error parsing override '([^']+)'", text)
    return ConfigError(f"{found[1]} is not an override", "write key=value or group=option") if found else None


def _hint_of(key: str) -> str | None:
    group, _, _ = key.partition(".")
    return f"`fastrun options {group}` shows what it takes" if group in menu.groups() else None


def _key(text: str, overrides: Sequence[str]) -> ConfigError | None:
    found = re.search(r"(?:Key|ConfigKeyError: Key) '([^']+)' (?:is )?not in '?(?:struct|\w+)'?", text)
    if not found:
        return None
    full = re.search(r"full_key: (\S+)", text)
    key = full[1] if full and full[1].endswith(found[1]) else found[1]
    written = [o.lstrip("+~").partition("=")[0].partition("@")[0] for o in overrides]
    key = next((name for name in written if name == key or name.endswith(f".{key}")), key)
    return _unknown(key)


def _unknown(name: str) -> ConfigError:
    group, dot, _ = name.partition(".")
    if dot and group in OPEN:
        known: set[str] = {f"{group}.{key}" for key in menu.keys(group)}
        return ConfigError(f"no key {name}", nearest(name, known) or f"`fastrun options {group}` shows what it takes")
    if not dot and name not in set(menu.groups()):
        known = {*menu.groups(), *known_keys()}
        return ConfigError(f"no key or group {name}", nearest(name, known) or "`fastrun options` lists the groups")
    known = {*known_keys(), *(f"{g}.{key}" for g in OPEN for key in menu.keys(g))}
    return ConfigError(f"no key {name}", nearest(name, known) or "`fastrun options` lists the groups")


def _plain(text: str) -> ConfigError:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return ConfigError("; ".join(lines[:2]), "`fastrun train --cfg job` shows the composed config")
