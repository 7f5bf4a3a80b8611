"""The rooms of the package: which way imports point, and that nothing private is used without a reason.

``python tests/test_rooms.py`` prints them.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "fastrun"
CONF = PACKAGE.parent / "conf"

# From the ground up: a file imports from its own room and from lower ones, wherever in its code the import stands.
ROOMS = (
    "redaction.py",
    "errors.py",
    "system",
    "config",
    "storage",
    "components",
    "training",
    "tune",
    "run",
    "compose",
    "sweep",
    "report",
    "study",
    "__init__.py",
    "cli",
    "__main__.py",
)
SOURCES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = [name for name in ROOMS if not name.endswith(".py")]
HYDRA = "hydra", "omegaconf"
# What a component may know of other groups' folders: their protocols and plain facts.
SHARED = {
    ("pipeline", "augment"),
    ("pipeline", "data"),
    ("data", "tokenizer"),
    ("model", "data"),
    ("model", "tokenizer"),
    ("model", "norm"),
    ("ema", "norm"),
    ("transfer", "model"),
    ("transfer", "norm"),
    ("transfer", "optimizer"),
}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in SOURCES}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def dotted_imports(path: Path) -> Iterator[str]:
    """Every dotted name that a file imports, those within functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(path: Path) -> set[Path]:
    """The files of the package that a file imports; a package counts where nothing deeper is imported from it."""
    found = set()
    for name in dotted_imports(path):
        while name and name not in MODULES:
            name = name.rpartition(".")[0]
        if name and MODULES[name] != path:
            found.add(MODULES[name])
    return found


GRAPH = {path: imports(path) for path in SOURCES}


def back_arrows() -> list[tuple[str, str]]:
    """Imports of a higher room."""
    height = {name: index for index, name in enumerate(ROOMS)}
    return [(module_of(a), module_of(b)) for a in GRAPH for b in GRAPH[a] if height[room(b)] > height[room(a)]]


def circles() -> list[list[str]]:
    """Sets of files that import each other, directly or not."""
    reached: dict[Path, set[Path]] = {}
    for start in SOURCES:
        seen: set[Path] = set()
        waiting = list(GRAPH[start])
        while waiting:
            path = waiting.pop()
            if path not in seen:
                seen.add(path)
                waiting += GRAPH[path]
        reached[start] = seen
    rings = {frozenset(other for other in reached[path] if path in reached[other]) for path in SOURCES}
    return [sorted(map(module_of, ring)) for ring in rings if len(ring) > 1]


def private_names(path: Path) -> list[str]:
    """Names with an underscore that a file uses of something else than itself."""
    tree = ast.parse(path.read_text())
    own = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_self(node.value)}
    own |= {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    used = [
        f"{ast.unparse(node)}, line {node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and is_private(node.attr)
        and not is_self(node.value)
        and node.attr not in own
    ]
    return used + [name for name in dotted_imports(path) if any(map(is_private, name.split(".")))]


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_exit"  # os._exit is documented


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def summary() -> str:
    arrows = sum(map(len, GRAPH.values()))
    return (
        f"{len(FOLDERS)} rooms on {len(ROOMS)} floors, {len(SOURCES)} files, {arrows} imports, "
        f"{len(circles())} circles, {len(back_arrows())} back arrows"
    )


def test_there_is_something_to_check():
    assert len(SOURCES) > 200
    assert sum(map(len, GRAPH.values())) > 500


def test_the_root_of_the_package_has_few_entries():
    entries = [path for path in PACKAGE.iterdir() if path.name not in ("__pycache__", "_assets")]
    assert len([path for path in entries if path.is_dir()]) <= 12
    assert len([path for path in entries if path.is_file()]) <= 5


def test_every_file_stands_in_a_room_of_the_list():
    assert {room(path) for path in SOURCES} == set(ROOMS)


def test_imports_point_down_and_never_in_a_circle(capsys):
    assert back_arrows() == []
    assert circles() == []
    with capsys.disabled():
        print(f"\n{summary()}")


def test_only_compose_imports_hydra():
    users = {room(path) for path in SOURCES for name in dotted_imports(path) if name.partition(".")[0] in HYDRA}
    assert users == {"compose"}


def test_a_group_of_components_knows_others_by_their_protocols_only():
    found = set()
    for path in SOURCES:
        for other in GRAPH[path]:
            groups = [one.relative_to(PACKAGE).parts[1] for one in (path, other) if room(one) == "components"]
            if len(groups) == 2 and groups[0] != groups[1] and not groups[1].endswith(".py"):
                found.add((groups[0], groups[1]))
    assert {pair for pair in found if not pair[0].endswith(".py")} - SHARED == set()


def test_each_group_of_conf_is_built_by_the_folder_of_components_with_its_name():
    groups = {path.name for path in CONF.iterdir() if path.is_dir()}
    folders = {path.name for path in (PACKAGE / "components").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - groups == {"target"}  # top-level keys, no group
    assert groups <= folders


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_what_is_private_to_a_library_is_used_in_the_files_named_for_it_only(path):
    if not path.stem.endswith("_internals"):
        assert private_names(path) == []


def test_every_file_of_internals_gives_a_reason():
    files = [path for path in SOURCES if path.stem.endswith("_internals")]
    assert len(files) == 5
    for path in files:
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert "fallback" in text, path


@pytest.mark.parametrize("name", FOLDERS)
def test_every_room_says_what_is_in_it_and_where_a_new_thing_goes(name):
    lines = [line for line in (PACKAGE / name / "README.md").read_text().splitlines() if line.strip()]
    assert 5 <= len(lines) <= 15
    assert any("may import" in line.lower() for line in lines)


def test_the_tests_lie_in_rooms_of_the_same_names():
    tests = PACKAGE.parent / "tests"
    folders = {path.name for path in tests.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(FOLDERS)


if __name__ == "__main__":
    print(summary())
