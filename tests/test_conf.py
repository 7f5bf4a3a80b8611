"""What every file of conf/ holds, and what starts without torch."""

import inspect
import shlex
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
import yaml

import fastrun
from fastrun.cli.main import main
from fastrun.config import instantiate, registry
from fastrun.config.settings import OPEN, SEVERAL, Settings

CONF = Path(fastrun.__file__).parents[1] / "conf"
OPTIONS = sorted(CONF.glob("*/*.yaml"))
OF_THE_GROUP = {
    "schedule": {"warmup", "on_extend"},
    "optimizer": {"layer_decay", "lr_scale"},
    "metrics": {"higher_is_better"},
}
WRITTEN = {"found", "rewinds"}  # keys that fastrun fills in
STARTS = (
    ["--help"],
    ["recipes"],
    ["options"],
    ["options", "optimizer"],
    ["options", "schedule", "--plot"],
    ["runs", "outputs"],
    ["train", "--cfg", "job"],
)


def options(*, is_open: bool) -> list[Path]:
    return [path for path in OPTIONS if (path.parent.name in (*OPEN, *SEVERAL)) == is_open]


def label(path: Path) -> str:
    return f"{path.parent.name}={path.stem}"


def test_there_is_something_to_check():
    assert min(len(OPTIONS), len(options(is_open=True)), len(options(is_open=False))) > 10


def test_what_only_reads_or_composes_starts_without_torch(tmp_path):
    (tmp_path / "outputs").mkdir()
    code = (
        "import sys\n"
        "from fastrun.cli.main import main\n"
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
    first, second = path.read_text().splitlines()[:2]
    if path.parent.name in SEVERAL:
        assert first == f"# @package {path.parent.name}.{path.stem}"
        first = second
    assert first.startswith("# ")
    assert first.strip("# ")
    assert "@package" not in first


def test_every_group_is_a_field_of_the_settings_and_open_or_closed():
    groups = {path.parent.name: is_dataclass(getattr(Settings(), path.parent.name)) for path in OPTIONS}
    assert {name for name, is_closed in groups.items() if not is_closed} == {*OPEN, *SEVERAL}


@pytest.mark.parametrize("path", options(is_open=False), ids=label)
def test_an_option_of_a_closed_group_holds_keys_of_its_dataclass(path):
    known = {entry.name for entry in fields(getattr(Settings(), path.parent.name))}
    content = yaml.safe_load(path.read_text())
    assert content["kind"] == path.stem
    assert content.keys() <= known


def test_every_key_of_a_closed_group_is_an_argument_of_one_of_its_options():
    closed = {path.parent.name for path in options(is_open=False)}
    wanted = {group: {entry.name for entry in fields(getattr(Settings(), group))} - WRITTEN for group in closed}
    assert {group: keys - registry.keys(group) for group, keys in wanted.items()} == {group: set() for group in closed}


@pytest.mark.parametrize("path", OPTIONS, ids=label)
def test_every_option_says_what_it_does_when_it_helps_when_not_and_where_it_comes_from(path):
    notes = registry.Entry(path.stem, path).notes()
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
    group = path.parent.name
    taken = inspect.signature(instantiate.locate(content["_target_"], group)).parameters.keys()
    of_the_group = OF_THE_GROUP.get(path.parent.name, set())
    assert content.keys() - {"_target_"} - of_the_group <= taken


@pytest.mark.parametrize("group", sorted({path.parent.name for path in OPTIONS}))
def test_every_group_has_an_option_that_the_defaults_choose(group):
    defaults = yaml.safe_load((CONF / "train.yaml").read_text())["defaults"]
    chosen = [entry[group] for entry in defaults if isinstance(entry, dict) and group in entry]
    assert len(chosen) == 1
    if group in SEVERAL:
        assert chosen == [[]]
        return
    assert (CONF / group / f"{chosen[0]}.yaml").is_file()


@pytest.mark.parametrize("path", options(is_open=True), ids=label)
def test_code_of_our_own_is_named_in_the_comment_and_lies_in_the_folder_of_the_group(path):
    target, code = yaml.safe_load(path.read_text())["_target_"], registry.Entry(path.stem, path).notes().get("code")
    assert target is None or not target.startswith("fastrun.")
    if code is not None:
        assert target == path.stem
        assert code.startswith(f"fastrun.components.{path.parent.name}.")


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("group", "option"), [(group, option) for group in registry.groups() for option in registry.options(group)]
)
def test_the_command_to_try_an_option_composes(group: str, option: str, folder: Path, capfd) -> None:
    tried = registry.options(group)[option].notes().get("try", f"fastrun train {group}={option}")
    program, verb, *arguments = shlex.split(tried)
    assert (program, verb) == ("fastrun", "train")
    assert main(["train", "--cfg", "job", *arguments]) == 0, capfd.readouterr().err
