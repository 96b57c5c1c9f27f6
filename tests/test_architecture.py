"""The house rules, held by reading our own source: who may import whom, and what only one room may touch."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pushd"
LINES_AT_MOST = 400

# --- who may import whom; a room is a folder or a module of pushd/ ------------------------------------------------------

GROUND = {"errors", "settings", "crash_points", "layout", "surroundings", "kit", "model", "version"}
A_ROOM = GROUND | {"access", "store", "sandbox"}
FOR_CLIENTS = GROUND
MAY_IMPORT: dict[str, set[str]] = {
    "version": set(),
    "errors": set(),
    "surroundings": set(),
    "layout": {"surroundings"},
    "kit": set(),
    "crash_points": set(),
    "settings": {"errors", "surroundings", "crash_points", "kit"},
    "model": {"errors", "settings", "kit"},
    "store": {"model", "errors", "settings", "kit"},
    "access": {"store", "model", "errors", "settings", "kit"},
    "sandbox": {"model", "errors", "kit"},
    "problems": {"errors", "kit"},
    "shipped": {"errors", "kit"},
    "endpoints": GROUND,
    "rights": {"kit"},
    "check": GROUND | {"sandbox", "confinement", "rights", "ssh"},
    "confinement": GROUND | {"sandbox", "rights", "uids"},
    "uids": GROUND,
    "sockets": GROUND | {"endpoints", "ssh"},
    "folder": GROUND | {"store"},
    "receiver": A_ROOM | {"problems"},
    "ssh": A_ROOM,
    "builder": A_ROOM,
    "releaser": A_ROOM,
    "runner": A_ROOM,
    "router": {"model", "errors", "kit", "version"},  # a process of its own
    "router/control": A_ROOM | {"router"},  # the daemon's end of it
    "logplex": A_ROOM,
    "addons": A_ROOM,
    "webhooks": A_ROOM | {"version"},
    "story": GROUND | {"store"},
    "deploy": GROUND | {"story", "store"},
    "resume": GROUND | {"deploy", "story", "store"},
    "api": GROUND | {"deploy", "story", "access", "store", "problems"},
    "client": FOR_CLIENTS,
    "cli": FOR_CLIENTS | {"client", "shipped", "cli/serve"},
    "cli/serve": FOR_CLIENTS | {"client", "cli", "shipped", "daemon", "endpoints"},
    "__main__": {"cli"},
}
EVERYTHING = {"daemon", "assembly"}  # know every concrete class

# Each stands here with its reason, and a test says which are no longer needed.
ALSO: dict[tuple[str, str], str] = {
    ("deploy", "releaser"): "it keeps nothing but the store: its rules are the story's own, a Protocol would repeat them",
    ("story", "releaser"): "as deploy",
}

# --- what only one place may touch -------------------------------------------------------------------------------------

ONLY_HERE: dict[str, tuple[str, ...]] = {
    "dulwich": ("receiver/",),
    "asyncssh": ("ssh/",),
    "sqlite3": ("store/",),
    "psutil": ("kit/proc.py", "kit/addresses.py"),
    "honcho": ("model/procfile.py",),
    "cryptography": ("store/", "access/passwords.py", "api/certificate.py", "model/pem.py", "model/ssh_key.py"),
    "idna": ("model/domain.py",),
    "subprocess": (
        "cli/",  # the client starts git, editors and the demo's daemon, on its user's terminal
        "client/",  # asks git for its config
    ),
}
STARTS_PROGRAMS = {
    "create_subprocess_exec",
    "create_subprocess_shell",
    "fork",
    "forkpty",
    "posix_spawn",
    "posix_spawnp",
    "system",
    "popen",
}
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
STARTS_TASKS = {"create_task", "ensure_future"}
LOOKS_LIKE_SQL = re.compile(
    r"\s*(SELECT\s.+\sFROM\s|INSERT\s+(OR \w+ )?INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|CREATE\s+(TABLE|INDEX)\s|PRAGMA\s)",
    re.DOTALL,
)


@cache
def modules() -> tuple[Path, ...]:
    return tuple(sorted(PACKAGE.rglob("*.py")))


def short(path: Path) -> str:
    """ "kit/aio.py" """
    return path.relative_to(PACKAGE).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def our_names() -> frozenset[str]:
    return frozenset(dotted(path) for path in modules())


@cache
def imported(path: Path, *, for_types_too: bool = True) -> frozenset[str]:
    """Dotted names that a module imports, anywhere in it; of ours, the module that is meant."""
    ours = our_names()
    found: set[str] = set()
    for node in _nodes(tree(path), for_types_too):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{short(path)} imports relatively"
            base = str(node.module)
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in ours else base for alias in node.names}
    return frozenset(found)


def _nodes(node: ast.AST, for_types_too: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not for_types_too and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _nodes(child, for_types_too)


def room_of(name: str) -> str:
    """The room of a dotted module name."""
    parts = name.split(".")[1:]
    if not parts:
        return "version"  # pushd/__init__.py holds that alone
    return "/".join(parts[:2]) if "/".join(parts[:2]) in MAY_IMPORT else parts[0]


def crossings(path: Path) -> set[tuple[str, str]]:
    """Every import of this module from its room into another."""
    room = room_of(dotted(path))
    return {(room, room_of(name)) for name in imported(path) if name.split(".")[0] == "pushd" and room_of(name) != room}


@pytest.mark.parametrize("path", modules(), ids=short)
def test_a_room_imports_only_what_the_table_allows(path: Path) -> None:
    room = room_of(dotted(path))
    if room in EVERYTHING:
        return
    assert room in MAY_IMPORT, f"{room} is a new room: say in this table what it may import"
    targets = {target for _, target in crossings(path)}
    allowed = MAY_IMPORT[room] | {target for origin, target in ALSO if origin == room}
    assert not targets - allowed, f"{short(path)} imports {sorted(targets - allowed)}; see the table above"


def test_no_exception_has_outlived_its_need() -> None:
    assert set(ALSO) <= {crossing for path in modules() for crossing in crossings(path)}


def test_imports_make_no_circle() -> None:
    """Two modules of one room may name each other's types; rooms may not even do that (the table above)."""
    graph = {
        dotted(path): {name for name in imported(path, for_types_too=False) if name.split(".")[0] == "pushd"}
        for path in modules()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for target in sorted(graph.get(name, ())):
                visit(target, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


@pytest.mark.parametrize("library", ONLY_HERE)
def test_a_library_is_known_to_its_room_alone(library: str) -> None:
    users = {short(path) for path in modules() if any(name.split(".")[0] == library for name in imported(path))}
    strangers = {user for user in users if not user.startswith(ONLY_HERE[library])}
    assert not strangers, f"only {ONLY_HERE[library]} may import {library}"
    for place in ONLY_HERE[library]:
        assert any(user.startswith(place) for user in users), f"{place} does not need {library} any more"


def attributes(path: Path) -> Iterator[tuple[str, int]]:
    """Names after a dot, and names imported by `from`, with their lines."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        elif isinstance(node, ast.ImportFrom):
            yield from ((alias.name, node.lineno) for alias in node.names)


def uses(names: set[str], *, outside: str) -> list[str]:
    return [
        f"{short(path)}:{line} {name}"
        for path in modules()
        if short(path) != outside
        for name, line in attributes(path)
        if name in names
    ]


def test_only_one_module_reads_the_environment() -> None:
    """`os.environ` is the process's; `launch.environ` is a field of ours."""
    readers = {
        short(path)
        for path in modules()
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Attribute) and ast.unparse(node) in {f"os.{name}" for name in ENVIRONMENT})
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and {alias.name for alias in node.names} & ENVIRONMENT)
    }
    assert readers == {"surroundings.py"}, "take what you need of the environment as an argument"


def test_no_value_shows_its_secrets() -> None:
    """A dataclass leaves fields of these names out of its repr, or has a repr of its own."""
    secrets = {"secret", "authorization", "private_key", "password"}
    shown = [
        f"{short(path)} {node.name}.{field.target.id}"
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(each) for each in node.decorator_list)
        if not any(isinstance(each, ast.FunctionDef) and each.name == "__repr__" for each in node.body)
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and field.target.id in secrets
        if "repr=False" not in ast.unparse(field)
    ]
    assert not shown, "write field(repr=False)"


def test_only_kit_aio_starts_tasks() -> None:
    assert not uses(STARTS_TASKS, outside="kit/aio.py"), "use kit.aio.Nursery"


def test_only_kit_spawn_starts_programs() -> None:
    assert not uses(STARTS_PROGRAMS, outside="kit/spawn.py"), "use kit.proc, or kit.spawn"


def test_only_the_store_holds_sql() -> None:
    found = [
        f"{short(path)}:{node.lineno}"
        for path in modules()
        if not short(path).startswith("store/")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and LOOKS_LIKE_SQL.match(node.value)
    ]
    assert not found


@pytest.mark.parametrize("path", modules(), ids=short)
def test_a_module_says_what_it_is_and_can_be_read_in_one_sitting(path: Path) -> None:
    assert ast.get_docstring(tree(path)), f"{short(path)} has no docstring"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_AT_MOST


@pytest.mark.parametrize(
    "folder", sorted(path for path in PACKAGE.rglob("*") if path.is_dir() and any(path.glob("*.py"))), ids=short
)
def test_every_room_has_a_front_door(folder: Path) -> None:
    docstring = ast.get_docstring(tree(folder / "__init__.py"))
    assert docstring
    assert len(docstring) > 60, "say what comes in, what goes out, and who calls"


def test_the_routers_package_imports_nothing() -> None:
    """So that its process, which outlives daemons, loads its own few modules and no more."""
    assert imported(PACKAGE / "router" / "__init__.py") <= {"__future__"}


def test_nothing_reads_what_lies_outside_the_repository() -> None:
    folders_elsewhere = map(re.escape, ("/".join(("..", "shared")), "/".join(("", "work", "shared"))))
    outside = re.compile("|".join((*folders_elsewhere, r"\b(PEERS|DESIGN|CONTRACT|RECIPES):? (section )?\d")))
    folders = ("pushd", "tests", "docs", "buildpacks", "hooks", "systemd", "examples", ".ci")
    files = [
        file for folder in folders for file in (ROOT / folder).rglob("*") if file.is_file() and "__pycache__" not in file.parts
    ]
    files += [file for file in ROOT.iterdir() if file.is_file() and file.name != ".git"]
    assert not [
        file.relative_to(ROOT).as_posix()
        for file in files
        if outside.search(file.read_text(encoding="utf-8", errors="replace"))
    ]
