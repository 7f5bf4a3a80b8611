"""The rules of the house: which way imports point, what starts without torch, and what every file of conf/ holds."""

import ast
import inspect
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
import yaml

import fastrun
from fastrun import component, menu
from fastrun.settings import OPEN, Settings

PACKAGE = Path(fastrun.__file__).parent
CONF = PACKAGE.parent / "conf"

# From the ground up: a module imports from lower lines only, wherever in its code the import stands.
LAYERS = [
    line.split()
    for line in """
        redaction
        errors paths seed plan tally clock heuristics task views swap budget process signals judging
        trust
        metric settings component menu span parsing amp durable
        augment init optimizer schedule model data loss saved limits
        clip average kernels pace hardware origin refusal rundir runlog job pipeline guard memory
        transfer search
        stepping hydra_app checkpoint_io network logger lock
        module
        callback calls feed updating trainer losses
        callbacks batch_size
        assemble
        summary ranks console
        recovery
        execute report
        sweep
        __init__
        command
        cli
        __main__
    """.strip().splitlines()
]
WRITTEN = {"found", "rewinds"}  # keys that fastrun fills in
SIBLINGS = ("init", "optimizer", "schedule", "model", "data", "callback")
HEIGHT = {name: height for height, names in enumerate(LAYERS) for name in names}

SOURCES = sorted(PACKAGE.rglob("*.py"))
OPTIONS = sorted(CONF.glob("*/*.yaml"))
STARTS = (
    ["--help"],
    ["recipes"],
    ["options"],
    ["options", "optimizer"],
    ["options", "schedule", "--plot"],
    ["runs", "outputs"],
    ["train", "--cfg", "job"],
)


def unit(path: Path) -> str:
    """The module, or the folder of modules, that a file is part of."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path: Path) -> set[str]:
    """The units of fastrun that a file imports; ``from fastrun import __version__`` is none."""
    dotted: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            dotted |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            dotted |= {f"{node.module}.{alias.name}" for alias in node.names}
    names = {tuple(name.split(".")[:2]) for name in dotted if name.startswith("fastrun.")}
    return {name for _, name in names if name in HEIGHT}


def options(*, is_open: bool) -> list[Path]:
    return [path for path in OPTIONS if (path.parent.name in OPEN) == is_open]


def label(path: Path) -> str:
    return f"{path.parent.name}={path.stem}"


def test_there_is_something_to_check():
    assert min(len(SOURCES), len(OPTIONS), len(options(is_open=True)), len(options(is_open=False))) > 10
    assert sum(len(imports(path)) for path in SOURCES) > 100


def test_every_module_stands_in_the_order():
    assert {unit(path) for path in SOURCES} == set(HEIGHT)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_down(path):
    own = unit(path)
    up = {name for name in imports(path) if name != own and HEIGHT[name] >= HEIGHT[own]}
    assert not up, f"{own} stands no higher than {sorted(up)}, which it imports"


@pytest.mark.parametrize("sibling", SIBLINGS)
def test_the_six_siblings_know_nothing_of_each_other(sibling):
    files = sorted((PACKAGE / sibling).glob("*.py"))
    assert len(files) > 1
    assert not set().union(*map(imports, files)) & (set(SIBLINGS) - {sibling})


def test_only_hydra_app_imports_hydra():
    found = {unit(path) for path in SOURCES for name in top_levels(path) if name in ("hydra", "omegaconf")}
    assert found == {"hydra_app"}


def top_levels(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name.partition(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module.partition(".")[0] for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def test_what_only_reads_or_composes_starts_without_torch(tmp_path):
    (tmp_path / "outputs").mkdir()
    code = (
        "import sys\n"
        "from fastrun.cli import main\n"
        f"for arguments in {STARTS!r}:\n"
        "    assert main(arguments) == 0, arguments\n"
        "    heavy = {'torch', 'pytorch_lightning', 'torchmetrics', 'sklearn'} & sys.modules.keys()\n"
        "    assert not heavy, (arguments, heavy)\n"
        "print('as light as can be')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("as light as can be\n")


@pytest.mark.parametrize("path", OPTIONS, ids=label)
def test_every_option_begins_with_its_description(path):
    first = path.read_text().splitlines()[0]
    assert first.startswith("# ")
    assert first.strip("# ")
    assert "@package" not in first


def test_every_group_is_a_field_of_the_settings_and_open_or_closed():
    groups = {path.parent.name: is_dataclass(getattr(Settings(), path.parent.name)) for path in OPTIONS}
    assert {name for name, is_closed in groups.items() if not is_closed} == set(OPEN)


@pytest.mark.parametrize("path", options(is_open=False), ids=label)
def test_an_option_of_a_closed_group_holds_keys_of_its_dataclass(path):
    known = {entry.name for entry in fields(getattr(Settings(), path.parent.name))}
    content = yaml.safe_load(path.read_text())
    assert content["kind"] == path.stem
    assert content.keys() <= known


def test_every_key_of_a_closed_group_is_an_argument_of_one_of_its_options():
    closed = {path.parent.name for path in options(is_open=False)}
    wanted = {group: {entry.name for entry in fields(getattr(Settings(), group))} - WRITTEN for group in closed}
    assert {group: keys - menu.keys(group) for group, keys in wanted.items()} == {group: set() for group in closed}


@pytest.mark.parametrize("path", OPTIONS, ids=label)
def test_every_option_says_what_it_does_when_it_helps_when_not_and_where_it_comes_from(path):
    notes = menu.Entry(path.stem, path).notes()
    assert {"does", "source"} <= notes.keys()
    if path.parent.name not in ("data", "device"):
        assert {"helps", "not"} <= notes.keys()
    assert all(notes.values())


@pytest.mark.parametrize("path", options(is_open=True), ids=label)
def test_an_option_of_an_open_group_is_a_target_with_arguments_that_it_takes(path):
    content = yaml.safe_load(path.read_text())
    assert "_target_" in content
    if content["_target_"] is None:
        assert content == {"_target_": None}
        return
    taken = inspect.signature(component.locate(content["_target_"], path.parent.name)).parameters.keys()
    of_the_group = {"schedule": {"warmup"}, "optimizer": {"layer_decay", "lr_scale"}}.get(path.parent.name, set())
    assert content.keys() - {"_target_"} - of_the_group <= taken


@pytest.mark.parametrize("group", sorted({path.parent.name for path in OPTIONS}))
def test_every_group_has_an_option_that_the_defaults_choose(group):
    defaults = yaml.safe_load((CONF / "train.yaml").read_text())["defaults"]
    chosen = [entry[group] for entry in defaults if isinstance(entry, dict) and group in entry]
    assert len(chosen) == 1
    assert (CONF / group / f"{chosen[0]}.yaml").is_file()
