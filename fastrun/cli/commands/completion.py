"""Print a script for shell completion: eval "$(fastrun completion bash)", or zsh."""

from __future__ import annotations

from fastrun.cli.commands import verbs
from fastrun.cli.parser import parser
from fastrun.config import registry, settings

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


def run(arguments: list[str]) -> int:
    """Print the script of a shell, or the words that could follow a line."""
    verb = parser("completion", __doc__)
    verb.add_argument("shell", choices=("bash", "zsh", "words"), help="the shell, or `words` for a line's next words")
    verb.add_argument("line", nargs="?", default="", help="the command line so far, with `words`")
    given = verb.parse_args(arguments)
    if given.shell == "words":
        print("\n".join(words(given.line)))
    else:
        print(_BASH if given.shell == "bash" else _ZSH)
    return 0


def words(line: str) -> list[str]:
    """Return what could stand at the end of a command line, cut off anywhere."""
    before, _, current = line.rpartition(" ")
    said = before.split()
    if len(said) < 2:
        return _starting(verbs(), current)
    verb = said[1]
    if verb == "train":
        return _train(current)
    if verb in ("recipes", "options"):
        return _starting(registry.recipes() if verb == "recipes" else registry.groups(), current)
    if verb == "completion":
        return _starting(["bash", "zsh"], current)
    return []


def _train(current: str) -> list[str]:
    group, equals, typed = current.partition("=")
    if equals:
        listed, comma, _ = typed.rpartition(",")
        known = registry.recipes() if group == "+recipe" else registry.options(group)
        return _starting([f"{group}={listed}{comma}{name}" for name in known], current)
    if "." in current:
        group = current.partition(".")[0]
        keys = [f"{group}.{key}=" for key in registry.keys(group)] + [f"{key}=" for key in settings.known_keys()]
        return _starting(sorted(set(keys)), current)
    top = [f"{name}=" for name in settings.top_level_keys()]
    return _starting(
        ["+recipe=", *(f"{group}=" for group in registry.groups()), "target.", *top, "-m", "--cfg"], current
    )


def _starting(known: object, current: str) -> list[str]:
    return [word for word in known if word.startswith(current)]  # type: ignore[attr-defined]
