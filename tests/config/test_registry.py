"""Groups, options and recipes as the folders hold them."""

import pytest

from fastrun.config import registry
from fastrun.config.paths import shipped
from fastrun.config.registry import Entry


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The user's folder, in which fastrun is started."""
    monkeypatch.chdir(tmp_path)

    def write(path: str, text: str) -> None:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return write


def entry(tmp_path, text: str | bytes) -> Entry:
    path = tmp_path / "one.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Entry("one", path)


def test_groups_are_the_folders_of_conf():
    assert registry.groups() == sorted(path.name for path in shipped("conf").iterdir() if path.is_dir())
    assert {"optimizer", "schedule", "init", "clip"} <= set(registry.groups())


def test_options_are_the_files_of_a_group():
    assert list(registry.options("clip")) == sorted(path.stem for path in (shipped("conf") / "clip").glob("*.yaml"))


def test_recipes_are_the_files_of_recipes():
    assert list(registry.recipes()) == sorted(path.stem for path in shipped("recipes").glob("*.yaml"))


def test_a_group_that_is_not_there_has_no_options():
    assert registry.options("no_such_group") == {}


def test_the_users_groups_options_and_recipes_are_listed(own):
    own("conf/model/mine.yaml", "# My network\n_target_: mymod.Net\nbreadth: 3\n")
    own("conf/mixing/mine.yaml", "# A group of mine\nkind: mine\n")
    own("recipes/study/no_warmup.yaml", "# @package _global_\n# Without warmup\nepochs: 2\n")
    assert registry.options("model")["mine"].description == "My network"
    assert "breadth" in registry.keys("model")
    assert "mixing" in registry.groups()
    assert registry.recipes()["study/no_warmup"].description == "Without warmup"


def test_a_shipped_option_hides_the_users_of_the_same_name_as_in_the_search_path(own):
    own("conf/model/mlp.yaml", "# Another one\n_target_: mymod.Net\n")
    assert registry.options("model")["mlp"].path == shipped("conf") / "model" / "mlp.yaml"


def test_a_recipe_of_the_user_hides_a_shipped_one_so_that_a_copy_can_be_edited(own):
    own("recipes/baseline.yaml", "# @package _global_\n# My baseline\nepochs: 2\n")
    assert registry.recipes()["baseline"].description == "My baseline"


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("# What it does\nkind: x\n", "What it does"),
        ("# @package _global_\n#\n# What it does\n# and more\n", "What it does"),
        ("kind: x\n# too late\n", ""),
        ("", ""),
    ],
)
def test_the_description_is_the_first_comment_that_is_no_directive(tmp_path, text, description):
    assert entry(tmp_path, text).description == description


@pytest.mark.parametrize("text", ["a: [1,\n", "- a\n- b\n", "", "just text\n", b"# caf\xe9\nkind: x\n"])
def test_a_file_that_holds_no_keys_has_none_and_breaks_nothing(tmp_path, text):
    one = entry(tmp_path, text)
    assert one.content() == {}
    assert isinstance(one.description, str)


def test_a_file_that_is_gone_has_no_keys(tmp_path):
    assert Entry("gone", tmp_path / "gone.yaml").content() == {}


def test_keys_are_the_arguments_of_all_options_of_a_group():
    assert {"lr", "momentum", "betas", "nesterov"} <= registry.keys("optimizer")
    assert not {"_target_", "defaults"} & registry.keys("optimizer")
