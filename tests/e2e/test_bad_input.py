"""Bad input at every door: a clear error with a next step, the right status or exit code, nothing changed, nothing leaked."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import Project, Server
from tests.e2e.refusals import APP, NOT_LIVE, SECRET, assert_told, unchanged
from tests.receiver.wire import Answer, Raw, basic, blob, commit, id_of, pack, parse_answer, push_body, tree

FIRST = "0" * 40


@pytest.fixture(scope="module")
def shop(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """An app that is live, with a secret; every test leaves it as it was."""
    made = server.project(tmp_path_factory.mktemp("bad") / "shop", "shop")
    made.ok("config:set", f"SECRET_VALUE={SECRET}")
    made.deploy()
    made.ok("settings:set", "boot-timeout-seconds=2", "pack-limit-mb=1")
    yield made
    server.pushd("apps:destroy", "--app", "shop", "--confirm", "shop")


# --- what is pushed cannot be built or run ------------------------------------------------------------------------------

SOCKET = "import os, socket\nserver = socket.create_server(('0.0.0.0', int(os.environ['PORT'])))\nkept = []\n"
BIND = "Make it listen on 0.0.0.0:$PORT, for example: web: gunicorn"


@dataclass(frozen=True)
class Pushed:
    """A commit that must not go live: its files (None: removed), the reason in brackets, what the person reads."""

    files: Mapping[str, str | bytes | None]
    reason: str
    told: tuple[str, ...]
    boots: bool = field(default=False, kw_only=True)


PUSHES = {
    "bad Procfile": Pushed(
        {"Procfile": "web: python app.py\nworker python worker.py\n"}, "bad Procfile",
        ("Procfile line 2 cannot be read: there is no colon", "worker python worker.py", "web: gunicorn", NOT_LIVE),
    ),
    "no Procfile": Pushed(
        {"Procfile": None}, "build failed", ("There is no Procfile", "Commit a file called Procfile", "web: gunicorn", NOT_LIVE)
    ),
    "failing pip": Pushed(
        {"requirements.txt": "this-package-does-not-exist-anywhere==1.0\n"}, "build failed",
        ("No solution found", "Cannot install the dependencies in requirements.txt", "check the spelling", NOT_LIVE),
    ),
    "missing Python": Pushed(
        {"runtime.txt": "python-3.99.1\n"}, "build failed",
        ("Python 3.99.1 is not installed on this server", "Installed: 3.", "Write one of these versions", NOT_LIVE),
    ),
    "dies at import": Pushed(
        {"app.py": "import nothing_like_this\n" + APP}, "boot failed",
        ("Traceback", "No module named 'nothing_like_this'", "web.1 exited with status 1 while booting", "Mend what", NOT_LIVE),
        boots=True,
    ),
    "another port": Pushed(
        {"app.py": APP.replace('int(os.environ["PORT"])', "0")}, "boot failed",
        ("web.1 listens on 0.0.0.0:", ", but PORT is ", BIND, NOT_LIVE), boots=True,
    ),
    "no port": Pushed(
        {"app.py": "import threading\nthreading.Event().wait()\n"}, "boot failed",
        ("web.1 did not bind to $PORT (", "within 2 seconds of launch (R10)", BIND, NOT_LIVE), boots=True,
    ),
    "no HTTP answer": Pushed(
        {"app.py": SOCKET + "while True: kept.append(server.accept()[0])\n"}, "boot failed",
        ("web.1 listens on its PORT", "but did not answer GET / within 2 seconds", "probe-path=/health", NOT_LIVE), boots=True,
    ),
    "an answer that is not HTTP": Pushed(
        {"app.py": SOCKET + "while True: server.accept()[0].sendall(b'220 mail.example.org\\r\\n')\n"}, "boot failed",
        ("its answer to GET / is not HTTP", "must speak plain HTTP", NOT_LIVE), boots=True,
    ),
    "oversize pack": Pushed(
        {"noise": b"".join(hashlib.sha512(str(number).encode()).digest() for number in range(20_000))}, "unpacker error",
        ("Your push was not stored: the pack is larger than 1 MB", "pushd settings:set pack-limit-mb=MEGABYTES"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("bad", PUSHES.values(), ids=PUSHES.keys())
def test_a_push_that_cannot_go_live(shop: Project, bad: Pushed) -> None:
    with unchanged(shop, but_a_failed_release=bad.boots):
        for name, content in bad.files.items():
            if content is None:
                (shop.folder / name).unlink()
            else:
                (shop.folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        shop.commit("bad")
        try:
            push = shop.push()
        finally:
            shop.git("reset", "-q", "--hard", "HEAD~1")

    assert push.exit_code == 1, push.output
    assert f"! [remote rejected] master -> master ({bad.reason})" in push.output
    assert_told(push.output, bad.told, shop.server)


def test_what_was_refused_is_taken_once_it_is_mended(shop: Project) -> None:
    """After all of the above, one good push: nothing stuck, no lock, no leftover."""
    shop.commit("good")
    shop.deploy()
    assert shop.get().body.startswith("version one")


# --- what is pushed is no honest repository -----------------------------------------------------------------------------

EVIL = {
    "up": b"..",
    "up and away": b"../../etc/passwd",
    "git's folder": b".git",
    "in capitals": b".GIT",
    "in mixed case": b".gIt",
    "with a dot": b".git.",
    "short name": b"git~1",
    "ignored character": b".g\xe2\x80\x8cit",
    "absolute": b"/etc/passwd",
}


@pytest.mark.parametrize("name", EVIL.values(), ids=EVIL.keys())
def test_an_evil_path(shop: Project, tmp_path: Path, name: bytes) -> None:
    made = _evil_commit(shop, tmp_path, name)
    with unchanged(shop):
        push = shop.push(f"{made}:refs/heads/master")

    assert push.exit_code == 1, push.output
    assert "! [remote rejected]" in push.output
    assert_told(push.output, ("Your push was not stored: ", "a tree has an entry called", "git fsck --strict"), shop.server)


def _evil_commit(project: Project, folder: Path, name: bytes) -> str:
    """A commit whose tree git itself would not write."""
    inner = bytes.fromhex(project.git("rev-parse", "HEAD^{tree}").stdout.strip())
    (folder / "tree").write_bytes(b"40000 %b\0%b" % (name, inner))
    made = project.git("hash-object", "-t", "tree", "-w", "--literally", str(folder / "tree")).stdout.strip()
    return project.git("commit-tree", made, "-p", "HEAD", "-m", "evil").stdout.strip()


FILE = blob(b"hello\n")
GOOD_TREE = tree((b"100644", b"hello", FILE))
GOOD = commit(GOOD_TREE)
GOOD_PACK = pack([FILE, GOOD_TREE, GOOD])
NUL_TREE: Raw = tree((b"100644", b"hello\0.py", FILE))
NUL = commit(NUL_TREE)
PACKS = {
    "truncated": (GOOD_PACK[:-30], GOOD),
    "corrupt": (GOOD_PACK[:40] + bytes([GOOD_PACK[40] ^ 0xFF]) + GOOD_PACK[41:], GOOD),
    "no pack at all": (b"this is not what git would send, is it?", GOOD),
    "a file is missing": (pack([GOOD_TREE, GOOD]), GOOD),
    "NUL in a name": (pack([FILE, NUL_TREE, NUL]), NUL),
}


@pytest.mark.parametrize(("data", "tip"), PACKS.values(), ids=PACKS.keys())
def test_a_pack_that_git_would_not_send(shop: Project, data: bytes, tip: Raw) -> None:
    with unchanged(shop):
        answer = _post_pack(shop, push_body([(FIRST, id_of(tip), "refs/heads/other")], data))

    assert answer.status == 200
    assert answer.report[0].startswith("unpack ")
    assert answer.report[1:] == ["ng refs/heads/other unpacker error"]
    assert_told(answer.text, ("Your push was not stored: ", "Push again", "git fsck"), shop.server)


def _post_pack(project: Project, body: bytes) -> Answer:
    connection = http.client.HTTPConnection(project.server.api.removeprefix("http://"), timeout=60)
    headers = {"Content-Type": "application/x-git-receive-pack-request", "Authorization": basic(project.server.token)}
    try:
        connection.request("POST", f"/{project.app}.git/git-receive-pack", body=body, headers=headers)
        answer = connection.getresponse()
        return parse_answer(answer.status, answer.read())
    finally:
        connection.close()


# --- git at the wrong door ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("push", "master"), ("fetch", "master")], ids=["push", "fetch"])
@pytest.mark.parametrize(
    ("app", "token", "told"),
    [
        ("shop", "pushd-wrong", ("remote: This server does not know the token.", "pushd login", "Authentication failed")),
        ("nobody", None, ("remote: Couldn't find that app.", "pushd apps", "not found")),
        ("..%2fetc", None, ("remote: Couldn't find that app.", "pushd apps", "not found")),
    ],
    ids=["wrong token", "unknown app", "bad app name"],
)
def test_git_is_not_let_in(shop: Project, words: tuple[str, str], app: str, token: str | None, told: tuple[str, ...]) -> None:
    url = shop.server.api.replace("://", f"://x:{token or shop.server.token}@")
    with unchanged(shop):
        done = shop.git("-c", "credential.helper=", words[0], f"{url}/{app}.git", words[1], check=False)

    assert done.exit_code == 128
    assert_told(done.output, told, shop.server)


# --- the API ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """A request that must be refused, as (status, id) and words."""

    method: str
    path: str
    status: int
    id: str
    told: tuple[str, ...]
    body: Any = None
    token: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


CONFIG = "/apps/shop/config-vars"
CALLS = {
    "wrong token": Call("GET", "/apps", 401, "unauthorized", ("Invalid credentials", "pushd login"), token="pushd-wrong"),
    "unknown app": Call("GET", "/apps/nobody", 404, "not_found", ("Couldn't find that app.", "pushd apps")),
    "bad app name": Call(
        "POST",
        "/apps",
        422,
        "invalid_params",
        ("Name 'Bad_Name' must start with a letter", "Pick another"),
        {"name": "Bad_Name"},
    ),
    "taken name": Call(
        "POST", "/apps", 422, "invalid_params", ("Name shop is already taken", "Pick another"), {"name": "shop"}
    ),
    "bad JSON": Call(
        "PATCH", CONFIG, 400, "bad_request", ("not JSON", "line 1, column", "Send an object"), b'{"A": "%b",' % SECRET.encode()
    ),
    "wrong type": Call("PATCH", CONFIG, 422, "invalid_params", ("A must be a string", "Correct"), {"A": [SECRET]}),
    "bad Range": Call(
        "GET", "/apps/shop/releases", 400, "bad_request", ("cannot be used", "Write it like"), headers={"Range": "version a..b"}
    ),
    "too large body": Call(
        "PATCH", CONFIG, 413, "request_entity_too_large", ("larger than 1000000 bytes", "Send less"), b'"' + b"x" * 1_100_000
    ),
    "bad config var": Call("PATCH", CONFIG, 422, "invalid_params", ("'1BAD' is not valid", "Use letters"), {"1BAD": SECRET}),
    "unknown release": Call(
        "POST", "/apps/shop/releases", 404, "not_found", ("find that release", "pushd releases"), {"release": "v99"}
    ),
    "bad quantity": Call(
        "PATCH", "/apps/shop/formation", 422, "invalid_params", ("0 to 100",), {"updates": [{"type": "web", "quantity": "101"}]}
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_call_that_is_refused(shop: Project, call: Call) -> None:
    with unchanged(shop):
        status, answer = shop.server.call(call.method, call.path, call.body, token=call.token, **call.headers)

    assert (status, answer["id"]) == (call.status, call.id)
    assert_told(answer["message"], call.told, shop.server)


# --- the client ---------------------------------------------------------------------------------------------------------

COMMANDS: dict[str, tuple[tuple[str, ...], int, tuple[str, ...]]] = {
    "unknown app": (("config", "--app", "nobody"), 1, ("Couldn't find that app.", "pushd apps")),
    "bad app name": (("create", "Bad_Name", "--no-remote"), 1, ("must start with a letter", "Pick another name")),
    "taken name": (("create", "shop", "--no-remote"), 1, ("Name shop is already taken", "Pick another name")),
    "bad config var": (("config:set", f"1BAD={SECRET}"), 1, ("'1BAD' is not valid", "Use letters")),
    "too much": (("config:set", "A=" + "x" * 100_000), 1, ("more than the 65536 allowed", "Keep large values")),
    "unknown process type": (("ps:scale", "clock=1"), 1, ("clock", "web")),
    "bad quantity": (("ps:scale", "web=many"), 2, ("web=many is not TYPE=N", "pushd help ps:scale")),
    "unknown release": (("rollback", "v99"), 1, ("Couldn't find that release", "pushd releases")),
    "bad setting": (("settings:set", "boot-timeout-seconds=soon"), 1, ("must be a number", "Default: 60")),
    "unknown command": (("confg",), 2, ("confg is not a pushd command", "Did you mean config")),
    "destroy without its name": (("destroy", "--confirm", "shops"), 1, ("shop",)),
}


@pytest.mark.parametrize(("argv", "exit_code", "told"), COMMANDS.values(), ids=COMMANDS.keys())
def test_a_command_that_is_refused(shop: Project, argv: tuple[str, ...], exit_code: int, told: tuple[str, ...]) -> None:
    with unchanged(shop):
        done = shop.pushd(*argv)

    assert (done.exit_code, done.stdout) == (exit_code, "")
    assert_told(done.stderr, told, shop.server)
    assert "Traceback" not in done.stderr


def test_a_command_with_a_wrong_token(shop: Project) -> None:
    with unchanged(shop):
        done = shop.pushd("config", PUSHD_API_KEY="pushd-wrong")

    assert (done.exit_code, done.stdout) == (1, "")
    assert_told(done.stderr, ("Invalid credentials provided.", "pushd login"), shop.server)
    assert "pushd-wrong" not in done.stderr
