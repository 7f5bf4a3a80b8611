"""Why a config was refused, in one line, with the nearest right name.

Hydra's own messages are right but long, and a hint in them may repeat the mistake; this reads the facts off them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from fastrun import menu
from fastrun.errors import ConfigError, FastrunError, nearest
from fastrun.paths import shown
from fastrun.settings import OPEN, known_keys

_LAUNCHERS = "fastrun, or after pip install 'fastrun[sweep]' joblib, submitit_local, submitit_slurm, ray"
_GROUPS = "`fastrun options` lists the groups"


def refusal(error: BaseException, overrides: Sequence[str]) -> FastrunError:
    """Return the error to show for what Hydra or OmegaConf raised while composing ``overrides``."""
    chain = list(_causes(error))
    for link in chain:
        if isinstance(link, FastrunError):
            return link
        if hasattr(link, "override"):  # Hydra's OverrideParseException
            return ConfigError(
                f"{link.override} is not an override", "write key=value; quote odd values: 'key=\"a b\"'"
            )
    text = "\n".join(str(link) for link in chain)
    readers = _several, _reference, _null, _option, _group, _value
    read = (found for reader in readers if (found := reader(text)) is not None)
    return next(read, None) or _no_option(text, overrides) or _key(text, overrides) or _inside(text) or _plain(text)


def unknown(name: str) -> ConfigError:
    """Return the error for a key or group that does not exist."""
    group, dot, _ = name.partition(".")
    if group == "trust":
        return ConfigError("trust is yours to give, not a config's", "write trust=NAME on the command line")
    if group == "hydra":
        return ConfigError(f"no key {name}", "`fastrun train --cfg hydra` shows what there is")
    if group in ("recipe", "callbacks"):
        return ConfigError(f"{name} is not in the config yet", f"add it with a plus: +{name}=…")
    known = {*known_keys(), *(f"{g}.{key}" for g in OPEN for key in menu.keys(g))}
    if name in known:
        return ConfigError(f"the chosen {group} has no {name}", f"`fastrun options {group}` shows which option has it")
    if dot and group in menu.groups():
        own = {key for key in known if key.startswith(f"{group}.")}
        return ConfigError(f"no key {name}", nearest(name, own) or f"`fastrun options {group}` shows what it takes")
    hint = _misspelt_group(name, known) or _forgotten_group(name, known) or _GROUPS
    return ConfigError(f"no key {name}" if dot else f"no key or group {name}", hint)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _misspelt_group(name: str, known: set[str]) -> str | None:
    """Return a hint for ``modle.width`` or ``epocs``."""
    first, dot, rest = name.partition(".")
    top = {key for key in known if "." not in key} | {key.partition(".")[0] for key in known} | set(menu.groups())
    close = difflib.get_close_matches(first, top, n=1, cutoff=0.7)
    return f"did you mean {close[0]}{dot}{rest}?" if close else None


def _forgotten_group(name: str, known: set[str]) -> str | None:
    """Return a hint for ``lr`` where ``optimizer.lr`` is meant."""
    leaves = {key.rpartition(".")[2]: key for key in sorted(known) if "." in key}
    close = difflib.get_close_matches(name, leaves, n=1, cutoff=0.75)
    return f"did you mean {leaves[close[0]]}?" if close else None


def _several(text: str) -> ConfigError | None:
    found = re.search(r"(?:Ambiguous value for argument|Sweep parameters) '([^']+)'", text)
    hint = "add -m for a run of each; one value is quoted: 'key=\"1,2\"', a list is key=[1,2]"
    return ConfigError(f"{found[1]} is several values", hint) if found else None


def _reference(text: str) -> ConfigError | None:
    found = re.search(r"Interpolation key '([^']+)' not found", text)
    if found:
        return ConfigError(f"${{{found[1]}}} refers to no key", nearest(found[1], known_keys()))
    found = re.search(r"Environment variable '([^']+)' not found", text)
    if found:
        return ConfigError(f"the environment has no variable {found[1]}", f"export {found[1]}=…")
    return None


def _no_option(text: str, overrides: Sequence[str]) -> ConfigError | None:
    if "Config group override must be a string" not in text:
        return None
    said = [override.partition("=") for override in overrides]
    group, _, value = next(one for one in said if one[0] in menu.groups() and one[2] not in menu.options(one[0]))
    return ConfigError(f"{group}={value}: no such option", f"choose from {', '.join(menu.options(group))}")


def _inside(text: str) -> ConfigError | None:
    """Read what is wrong with a file as a whole, or with a group in it."""
    found = re.search(r"Merge error: \w+ is not a subclass of (\w+)\. value: (.*)", text)
    if found:
        group = re.sub(r"(?<!^)(?=[A-Z])", "_", found[1]).lower()
        return ConfigError(f"{group}={found[2]}: it is a group of values", _takes(group))
    found = re.search(r"(?:In|defaults list in) '([^']+)'", text)
    if not found:
        return None
    group, _, name = found[1].partition("/")
    entry = (menu.recipes() if group == "recipe" else menu.options(group)).get(name)
    reason = text.splitlines()[1 if "raised while composing" in text else 0]
    hint = "it holds `key: value`, and in `defaults` a list"
    return ConfigError(f"{shown(entry.path) if entry else found[1]}: {reason}", hint)


def _null(text: str) -> ConfigError | None:
    found = re.search(r"field '[^']+' is not Optional.*?full_key: (\S+)", text, re.S)
    return ConfigError(f"{found[1]}=null: it needs a value", _takes(found[1])) if found else None


def _takes(key: str) -> str | None:
    group = key.partition(".")[0]
    return f"`fastrun options {group}` shows what it takes" if group in menu.groups() else None


def _option(text: str) -> ConfigError | None:
    found = re.search(r"Could not (?:find|load) '(?:([^']+)/)?([^'/]*)'", text)
    if not found:
        return None
    group, name = found[1] or "", found[2]
    if group.partition("/")[0] == "recipe":
        name = f"{group}/{name}".removeprefix("recipe/")
        if name.partition("/")[0] in menu.groups():  # `optimizer: sgd` in a recipe, looked for beside it
            return ConfigError(f"no recipe {name}", f"a group's option is `override /{name.replace('/', ': ')}`")
        return ConfigError(f"no recipe {name}", nearest(name, menu.recipes()) or "`fastrun recipes` lists them")
    known = menu.options(group) if group else {}
    if group == "hydra/launcher":
        return ConfigError(f"{group}={name}: no such option", _LAUNCHERS)
    hint = nearest(name, known) or (f"choose from {', '.join(known)}" if known else _GROUPS)
    return ConfigError(f"{group}={name}: no such option" if group else f"no config {name}", hint)


def _group(text: str) -> ConfigError | None:
    found = re.search(r"Could not override '([^'@]+)'[^\n]*\s*No match in the defaults list", text)
    return unknown(found[1]) if found else None


def _value(text: str) -> ConfigError | None:
    found = re.search(
        r"((?:Value '|Cannot convert '|Invalid type assigned|Merge error|Cannot assign).*?)\n\s*full_key: (\S+)",
        text,
    )
    if not found:
        return None
    return ConfigError(f"{found[2]}: {found[1]}", _takes(found[2]))


def _key(text: str, overrides: Sequence[str]) -> ConfigError | None:
    found = re.search(r"Key '([^']+)' (?:is )?not in '?\w+'?", text)
    if not found:
        return None
    full = re.search(r"full_key: (\S+)", text)
    key = full[1] if full and full[1].endswith(found[1]) else found[1]
    written = [override.lstrip("+~").partition("=")[0].partition("@")[0] for override in overrides]
    return unknown(next((name for name in written if f".{name}.".find(f".{key}.") >= 0), key))


def _plain(text: str) -> ConfigError:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return ConfigError("; ".join(lines[:2]), "`fastrun train --cfg job` shows the composed config")
