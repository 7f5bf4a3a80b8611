"""The message and hint for a config that Hydra or OmegaConf refuses.

Their own messages are right but long, and a hint in them may repeat the mistake. Each reader here recognizes one kind
of exception and returns a message of one line, with the nearest right name. It reads the exception's attributes where
they hold what it needs, and otherwise the text.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, ValidationError

from fastrun.config import registry, synonyms
from fastrun.config.paths import display
from fastrun.config.settings import CLOSED, OPEN, SEVERAL, known_keys
from fastrun.errors import ConfigError, FastrunError, nearest

_LAUNCHERS = "fastrun, or after pip install 'fastrun[sweep]' joblib, submitit_local, submitit_slurm, ray"
_GROUPS = "`fastrun options` lists the groups"

Reader = Callable[[BaseException, Sequence[str]], ConfigError | None]


def config_error(error: BaseException, overrides: Sequence[str]) -> FastrunError:
    """Return the error to show for an exception of Hydra or OmegaConf.

    Args:
        error: the exception.
        overrides: what was composed.

    Returns:
        The error of fastrun that caused the exception, if one did; else one with a message of one line and a hint.
    """
    chain = list(_causes(error))
    for link in chain:
        if isinstance(link, FastrunError):
            return link
    for reader in _READERS:
        for link in chain:
            refusal = reader(link, overrides)
            if refusal is not None:
                return refusal
    return _unread(chain)


def unknown_key(name: str, value: str | None = None) -> ConfigError:
    """Return the error for a key or group that does not exist.

    Args:
        name: the key as it was typed.
        value: the value that it was given, if that is known.
    """
    group, dot, _ = name.partition(".")
    if group == "trust":
        return ConfigError("a config cannot grant trust", "write trust=NAME on the command line")
    if group == "hydra":
        return ConfigError(f"no key {name}", "`fastrun train --cfg hydra` lists Hydra's keys")
    if group in ("recipe", "callbacks", *SEVERAL):
        return ConfigError(f"{name} is not in the config yet", f"add it with a plus: +{name}=…")
    known = {*known_keys(), *(f"{g}.{key}" for g in OPEN for key in registry.keys(g))}
    if name in known:
        return ConfigError(f"the chosen {group} has no {name}", f"`fastrun options {group}` shows which option has it")
    synonym = synonyms.key_hint(name, value)
    if dot and group in registry.groups():
        hint = synonym or _misspelled_key(name, known) or f"`fastrun options {group}` shows what it takes"
        return ConfigError(f"no key {name}", hint)
    if dot and (keys := sorted(key for key in known if key.startswith(f"{group}."))):  # of no folder, such as target
        return ConfigError(f"no key {name}", synonym or _misspelled_key(name, known) or f"there is {', '.join(keys)}")
    hint = synonym or _misspelled_group(name, known) or _forgotten_group(name, known) or _GROUPS
    return ConfigError(f"no key {name}" if dot else f"no key or group {name}", hint)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that it was raised from."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _misspelled_key(name: str, known: set[str]) -> str | None:
    """Return a hint for ``batch.sze``, whose group is right; only what follows it is compared."""
    group, _, rest = name.partition(".")
    keys = {key.partition(".")[2] for key in known if key.startswith(f"{group}.")}
    close = difflib.get_close_matches(rest, keys, n=1, cutoff=0.6)
    return f"did you mean {group}.{close[0]}?" if close else None


def _misspelled_group(name: str, known: set[str]) -> str | None:
    """Return a hint for ``modle.width``, ``modle.widht`` or ``epocs``."""
    first, dot, rest = name.partition(".")
    top = {key.partition(".")[0] for key in known} | set(registry.groups())
    close = difflib.get_close_matches(first, top, n=1, cutoff=0.7)
    if not close:
        return None
    meant = f"{close[0]}{dot}{rest}"
    return (None if not dot or meant in known else _misspelled_key(meant, known)) or f"did you mean {meant}?"


def _forgotten_group(name: str, known: set[str]) -> str | None:
    """Return a hint for ``lr`` where ``optimizer.lr`` is meant."""
    by_last_word = {key.rpartition(".")[2]: key for key in sorted(known) if "." in key}
    close = difflib.get_close_matches(name, by_last_word, n=1, cutoff=0.75)
    return f"did you mean {by_last_word[close[0]]}?" if close else None


def _group_hint(key: str) -> str | None:
    """Return where to read what the group of a key takes, or None for a key outside all groups."""
    group = key.partition(".")[0]
    return f"`fastrun options {group}` shows what it takes" if group in registry.groups() else None


def _read_no_override(error: BaseException, overrides: Sequence[str]) -> ConfigError | None:
    """Read a word of the command line that is not an override."""
    if not isinstance(error, OverrideParseException):
        return None
    word, _, name = str(error.override).partition(" ")
    hint = "write key=value; quote odd values: 'key=\"a b\"'"
    if word in ("+recipe", "recipe"):
        after = overrides[list(overrides).index(word) + 1 :] if word in overrides else []
        hint = f"write the = as well: +recipe={name or next(iter(after), 'NAME')}"
    return ConfigError(f"{error.override} is not an override", hint)


def _read_reference(error: BaseException, _: Sequence[str]) -> ConfigError | None:
    """Read a reference to something that does not exist; only the text of the exception names it."""
    match = re.search(r"Interpolation key '([^']+)' not found", str(error))
    if match:
        return ConfigError(f"${{{match[1]}}} refers to no key", nearest(match[1], known_keys()))
    match = re.search(r"Environment variable '([^']+)' not found", str(error))
    if match:
        return ConfigError(f"the environment variable {match[1]} is not set", f"export {match[1]}=…")
    return None


def _read_null(error: BaseException, _: Sequence[str]) -> ConfigError | None:
    """Read a null where a value is needed."""
    if not isinstance(error, ValidationError) or not error.full_key:
        return None
    if error.value not in (None,):  # compares by ==, which is true for a node of OmegaConf that holds None
        return None
    return ConfigError(f"{error.full_key}=null: it needs a value", _group_hint(error.full_key))


def _read_missing_config(error: BaseException, _: Sequence[str]) -> ConfigError | None:
    """Read a recipe, an option or a primary config that does not exist."""
    if not isinstance(error, MissingConfigException) or error.missing_cfg_file is None:
        return None
    group, _, name = error.missing_cfg_file.rpartition("/")
    if error.missing_cfg_file.partition("/")[0] == "recipe":
        return _no_recipe(error.missing_cfg_file.removeprefix("recipe").removeprefix("/"))
    if not group:
        return _no_config(name, str(error))
    if group == "hydra/launcher":
        return ConfigError(f"{group}={name}: no such option", _LAUNCHERS)
    return _no_option(group, name)


def _no_option(group: str, name: str) -> ConfigError:
    known = registry.options(group)
    listed = f"choose from {', '.join(known)}" if known else _GROUPS
    hint = synonyms.option_hint(group, name) or nearest(name, known) or listed
    return ConfigError(f"{group}={name}: no such option", hint)


def _no_recipe(name: str) -> ConfigError:
    if name.partition("/")[0] in registry.groups():  # `optimizer: sgd` in a recipe, which Hydra looks for beside it
        return ConfigError(f"no recipe {name}", f"a group's option is `override /{name.replace('/', ': ')}`")
    return ConfigError(f"no recipe {name}", nearest(name, registry.recipes()) or "`fastrun recipes` lists them")


def _no_config(name: str, text: str) -> ConfigError:
    """Return the error for a config outside all groups; only Hydra's text tells what it was to be."""
    if "primary config" in text:
        return ConfigError(f"no primary config '{name}'", "leave out --config-name; +recipe=… chooses a recipe")
    return ConfigError(f"no config {name}", _GROUPS)


def _read_missing_group(error: BaseException, overrides: Sequence[str]) -> ConfigError | None:
    """Read a group that does not exist; only the text of the exception names it."""
    match = re.search(r"Could not override '([^'@]+)'[^\n]*\s*No match in the defaults list", str(error))
    return unknown_key(match[1], _value_of(match[1], overrides)) if match else None


def _read_value(error: BaseException, _: Sequence[str]) -> ConfigError | None:
    """Read a value of the wrong type."""
    if not isinstance(error, ValidationError) or not error.full_key:
        return None
    return ConfigError(f"{error.full_key}: {str(error).splitlines()[0]}", _group_hint(error.full_key))


def _read_not_an_option(error: BaseException, overrides: Sequence[str]) -> ConfigError | None:
    """Read an option that is not a word, such as ``optimizer=3``; Hydra raises a plain ValueError."""
    if "Config group override must be a string" not in str(error):
        return None
    for group, _, value in (override.partition("=") for override in overrides):
        if group in registry.groups() and value not in registry.options(group):
            return _no_option(group, value)
    return None


def _read_key(error: BaseException, overrides: Sequence[str]) -> ConfigError | None:
    """Read a key that does not exist; an override that sets a key below it names it more fully."""
    if not isinstance(error, (ConfigKeyError, ConfigAttributeError)) or error.key is None:
        return None
    key = str(error.full_key or error.key)
    written = [override.lstrip("+~").partition("=")[0].partition("@")[0] for override in overrides]
    name = next((name for name in written if f".{key}." in f".{name}."), key)
    if f"{name.partition('.')[0]}._target_" in written:
        return ConfigError(f"no key {name}", f"add an argument of a target of yours with a plus: +{name}=…")
    return unknown_key(name, _value_of(name, overrides))


def _value_of(key: str, overrides: Sequence[str]) -> str | None:
    """Return the text of the value that an override gives a key, or None if there is no such override."""
    pairs = [override.lstrip("+").partition("=") for override in overrides]
    return next((value for name, equals, value in pairs if name == key and equals), None)


def _read_plus(error: BaseException, _: Sequence[str]) -> ConfigError | None:
    """Read a plus before a key that is there already; only the text of the exception names it."""
    match = re.search(r"Could not append to config. An item is already at '([^']+)'", str(error))
    return ConfigError(f"+{match[1]}: the key is there already", f"leave out the plus: {match[1]}=…") if match else None


def _read_deletion(error: BaseException, _: Sequence[str]) -> ConfigError | None:
    """Read a deletion of something that is not there; only the text of the exception names it."""
    match = re.search(r"Could not delete (?:from config. )?'([^'=]+)[^']*'", str(error))
    return ConfigError(f"~{match[1]}: there is no such key or choice", "leave it out") if match else None


def _read_group_value(error: BaseException, _: Sequence[str]) -> ConfigError | None:
    """Read a plain value for a closed group, ``batch: 3``; only the text names the group's dataclass."""
    match = re.search(r"Merge error: \w+ is not a subclass of (\w+)\. value: (.*)", str(error))
    if not match:
        return None
    group = next((name for name, kind in CLOSED.items() if kind.__name__ == match[1]), match[1])
    return ConfigError(f"{group}={match[2]}: it is a group of values", _group_hint(group))


def _read_file(error: BaseException, _: Sequence[str]) -> ConfigError | None:
    """Read what is wrong with a file as a whole; only the text of the exception names the file."""
    match = re.search(r"(?:In|defaults list in) '([^']+)'", str(error))
    if not match:
        return None
    group, _, name = match[1].partition("/")
    entry = (registry.recipes() if group == "recipe" else registry.options(group)).get(name)
    reason = str(error).splitlines()[1 if "raised while composing" in str(error) else 0]
    hint = "it holds `key: value`, and in `defaults` a list"
    return ConfigError(f"{display(entry.path) if entry else match[1]}: {reason}", hint)


def _unread(chain: Sequence[BaseException]) -> ConfigError:
    """Return the first two lines of what was raised, for exceptions that no reader recognizes."""
    lines = [line.strip() for link in chain for line in str(link).splitlines() if line.strip()]
    return ConfigError("; ".join(lines[:2]), "`fastrun train --cfg job` shows the composed config")


_READERS: tuple[Reader, ...] = (
    _read_no_override,
    _read_reference,
    _read_null,
    _read_missing_config,
    _read_missing_group,
    _read_plus,
    _read_deletion,
    _read_value,
    _read_not_an_option,
    _read_key,
    _read_group_value,
    _read_file,
)
