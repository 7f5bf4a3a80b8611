"""Print a script for completion in a shell: eval "$(fastrun completion bash)", or zsh."""

from __future__ import annotations

from collections.abc import Iterable

from fastrun.cli.commands import verbs
from fastrun.config import registry, settings
from fastrun.system.argument_parser import ArgumentParser

_BASH = r"""_fastrun() {
    local IFS=$'\n' cur="${COMP_LINE:0:$COMP_POINT}"
    cur="${cur##* }"
    local words=($(fastrun completion words -- "${COMP_LINE:0:$COMP_POINT}" 2>/dev/null))
    COMPREPLY=($(compgen -W "${words[*]}" -- "$cur"))
    local stem="${cur%"${cur##*[=:]}"}"
    COMPREPLY=("${COMPREPLY[@]#"$stem"}")
    [[ "${COMPREPLY[0]}" == *[=.] ]] && compopt -o nospace
    [[ ${#COMPREPLY[@]} -eq 0 ]] && compopt -o default
}
complete -F _fastrun fastrun"""

_ZSH = r"""_fastrun() {
    local -a found
    found=(${(f)"$(fastrun completion words -- "${LBUFFER}" 2>/dev/null)"})
    if (( $#found )); then compadd -Q -S '' -- $found; else _files; fi
}
compdef _fastrun fastrun"""


_SHELLS = ("bash", "zsh")
_TRAIN = ("train", "tune", "diagnose", "find", "ablate")  # take what composes a training
_TAKE_SEVERAL = ("compare", "eval")
_TAKE_RUNS = ("resume", "predict", "export", "tune", "diagnose", "find", "watch", "report", *_TAKE_SEVERAL)
_NEWEST = 20  # runs that are offered where nothing is typed yet
_FINDABLE = ("lr", "batch", "momentum", "optimizer.weight_decay", "clip.max")  # any key of a number may follow


def run(arguments: list[str]) -> int:
    """Print the script for a shell, or the words that complete a command line."""
    parser = ArgumentParser("fastrun completion", __doc__)
    parser.add_argument("shell", choices=(*_SHELLS, "words"), help="the shell; or `words`, which the scripts call")
    parser.add_argument("line", nargs="?", default="", help="with `words`: the command line before the cursor")
    given = parser.parse_args(arguments)
    if given.shell == "words":
        print("\n".join(words(given.line)))
    else:
        print(_BASH if given.shell == "bash" else _ZSH)
    return 0


def words(line: str) -> list[str]:
    """Return the words that may complete a command line.

    Args:
        line: the command line before the cursor, which may end within a word.

    Returns:
        Whole words that start with the last, incomplete word of the line.
    """
    before, _, current = line.rpartition(" ")
    earlier = before.split()
    if len(earlier) < 2:
        return _starting_with(current, verbs())
    verb, is_first = earlier[1], len(earlier) == (3 if earlier[1] == "find" else 2)
    if verb in _TAKE_RUNS and is_first and "=" not in current:
        return _starting_with(current, [*_run_words(current), *(_train_words(current) if verb in _TRAIN else ())])
    if verb in _TRAIN and (verb != "find" or len(earlier) > 2):
        return _starting_with(current, _train_words(current))
    if verb in _TAKE_SEVERAL:
        return _starting_with(current, _run_words(current))
    return _starting_with(current, _argument_words(verb))


def _run_words(current: str) -> list[str]:
    """Return words that name runs: the newest ones' ids, and the names of directories once one is begun."""
    from fastrun.report.find_run import OUTPUTS, WORDS
    from fastrun.report.index import records

    found = records(OUTPUTS)[::-1] if OUTPUTS.is_dir() else []
    if not current:
        return [*WORDS, *(record.id for record in found[:_NEWEST])] if found else []
    sweeps = {record.sweep.name: record.sweep_id or "" for record in found if record.sweep}
    names = [*(record.id for record in found), *sweeps.values(), *(record.path.name for record in found), *sweeps]
    return [*WORDS, *names] if found else []


def _argument_words(verb: str) -> Iterable[str]:
    """Return the names that a verb other than ``train`` takes."""
    if verb == "recipes":
        return registry.recipes()
    if verb == "options":
        return registry.groups()
    if verb == "find":
        return _FINDABLE
    if verb == "data":
        return "pack", "check"
    return _SHELLS if verb == "completion" else ()


def _train_words(current: str) -> list[str]:
    """Return overrides: values after ``GROUP=``, keys after ``GROUP.``, else groups and top-level keys."""
    group, equals, typed = current.partition("=")
    if equals:
        listed, comma, _ = typed.rpartition(",")
        known = registry.recipes() if group == "+recipe" else registry.options(group)
        return [f"{group}={listed}{comma}{name}" for name in known]
    if "." in current:
        group = current.partition(".")[0]
        keys = {f"{group}.{key}" for key in registry.keys(group)} | set(settings.known_keys())
        return [f"{key}=" for key in sorted(keys)]
    return _top_level_words()


def _top_level_words() -> list[str]:
    """Return the recipe, the groups, the keys outside groups, and the prefixes of keys without options."""
    groups = registry.groups()
    prefixes = [f"{name}." for name in settings.CLOSED if name not in groups]
    keys = [f"{name}=" for name in (*groups, *settings.top_level_keys())]
    return ["+recipe=", *keys, *prefixes, "+callbacks.", "-m", "--cfg"]


def _starting_with(current: str, candidates: Iterable[str]) -> list[str]:
    return [word for word in candidates if word.startswith(current)]
