"""The daemon's life: start, ready, restart, death, and what each leaves behind."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path
from uuid import UUID

import pytest

from tests.e2e.harness import BIN, Load, Server, eventually, run, running


def test_the_ready_line_endpoints_and_health(own_server: Server) -> None:
    endpoints = own_server.endpoints

    assert own_server.ready.startswith(f"ready api={endpoints['api']} router={endpoints['router']}")
    assert f" ssh={endpoints['ssh']} " in own_server.ready
    assert endpoints["domain"] == "localhost"
    assert own_server.process is not None
    assert endpoints["pid"] == own_server.process.pid
    with urllib.request.urlopen(endpoints["api"] + "/-/health") as answer:
        assert answer.status == 200
        health = json.load(answer)
    assert health["ssh"] == endpoints["ssh"]
    assert health["ssh_host_key"].startswith("ssh-ed25519 ")
    assert (own_server.data / "admin.token").stat().st_mode & 0o777 == 0o600
    assert (own_server.data / "secret.key").stat().st_mode & 0o777 == 0o600


def test_a_second_daemon_of_the_same_folder_is_refused(own_server: Server) -> None:
    second = run([str(BIN / "pushd"), "serve", "--data-dir", str(own_server.data)], cwd=own_server.home,
                 env=own_server.daemon_environ())  # fmt: skip

    assert own_server.process is not None
    assert second.exit_code == 1
    assert f"another daemon (process {own_server.process.pid}) runs in {own_server.data}" in second.output
    assert "Stop it first" in second.output
    assert "Traceback" not in second.output
    assert own_server.call("GET", "/-/health")[0] == 200


@pytest.mark.parametrize(
    ("name", "content", "message", "remedy"),
    [
        ("format", b"2\n", "laid out by a newer pushd (format 2, this one knows 1)", "newer version"),
        ("format", b"", "does not hold the number of a format", "Put it back from a backup"),
        ("pushd.sqlite3", None, "it is damaged", "Put back a backup"),
        ("secret.key", b"", "holds no key of 32 bytes", "Put back the file from the backup"),
        ("admin.token", b"", "holds no token", "Remove that file"),
    ],
)
def test_what_a_bad_disk_left_is_told_at_the_start(
    stopped_server: Server, name: str, content: bytes | None, message: str, remedy: str
) -> None:
    file = stopped_server.data / name
    before = file.read_bytes()
    file.write_bytes(before[:4096] + b"\xff" * (len(before) - 4096) if content is None else content)
    try:
        told = run([str(BIN / "pushd"), "serve", "--data-dir", str(stopped_server.data)], cwd=stopped_server.home,
                   env=stopped_server.daemon_environ())  # fmt: skip
    finally:
        file.write_bytes(before)

    assert told.exit_code == 1
    assert message in told.output
    assert remedy in told.output
    assert str(stopped_server.data) in told.output
    assert "Traceback" not in told.output


def test_half_a_certificate_and_half_the_endpoints_are_made_anew(stopped_server: Server) -> None:
    for name in (
        "tls/ca.pem",
        "tls/ca-key.pem",
        "tls/server.pem",
        "tls/server-key.pem",
        "run/endpoints.json",
        "run/daemon.lock",
    ):
        file = stopped_server.data / name
        file.write_bytes(file.read_bytes()[:20])

    with running(stopped_server):
        context = ssl.create_default_context(cafile=str(stopped_server.data / "tls" / "ca.pem"))
        url = stopped_server.api.replace("http:", "https:") + "/-/health"
        with urllib.request.urlopen(url, context=context) as answer:
            assert answer.status == 200
        assert "clients must trust the new one" in stopped_server.daemon_log()


@pytest.fixture(scope="module")
def stopped_server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A daemon that has run once."""
    folder = tmp_path_factory.mktemp("stopped")
    with running(Server(folder / "data", folder / "home")) as server:
        return server


def test_ctrl_c_leaves_no_process(own_server: Server, tmp_path: Path) -> None:
    project = own_server.project(tmp_path / "app", "ends")
    project.deploy()
    assert len(own_server.processes()) > 1

    assert own_server.stop(signal.SIGINT) == 0

    assert own_server.processes() == []


def test_ctrl_c_right_after_a_destroy_leaves_nothing_of_the_app(own_server: Server, tmp_path: Path) -> None:
    project = own_server.project(tmp_path / "app", "short")
    project.deploy()
    project.ok("destroy", "--confirm", "short")

    own_server.stop(signal.SIGINT)

    for folder in ("repos", "environments", "cache", "logs"):
        assert [path.name for path in (own_server.data / folder).iterdir() if not path.name.startswith(".")] == []


def test_a_terminal_that_goes_away_ends_the_daemon_as_term_does(own_server: Server) -> None:
    assert own_server.stop(signal.SIGHUP) == 0

    assert "stopping" in own_server.daemon_log()
    assert [pid for pid in own_server.processes() if b"pushd.router" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    own_server.start()  # so that the router ends with it


def test_term_leaves_app_and_router_running_and_the_next_daemon_goes_on_with_them(own_server: Server, tmp_path: Path) -> None:
    project = own_server.project(tmp_path / "app", "stays")
    project.ok("config:set", "KEPT=yes")
    project.deploy()
    before, endpoints = project.get().body, own_server.endpoints

    assert own_server.stop(signal.SIGTERM) == 0
    assert own_server.get("stays").body == before  # nobody noticed

    with Load(own_server, "stays", visitors=2) as load:
        own_server.start()
        assert [each["state"] for each in json.loads(project.ok("ps", "--json"))] == ["up"]
    assert load.failures == []
    assert own_server.get("stays").body == before  # the very same process
    assert own_server.endpoints["api"] == endpoints["api"]
    assert own_server.endpoints["router"] == endpoints["router"]
    assert project.get("/env/KEPT").body == "yes"
    assert len([pid for pid in own_server.processes() if _is_app(pid)]) == 1  # nothing runs twice


def _is_app(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_bytes() == b"python\0app.py\0"


def test_kill_9_of_the_daemon_stops_no_app(own_server: Server, tmp_path: Path) -> None:
    project = own_server.project(tmp_path / "app", "survives")
    project.deploy()
    before = project.get().body

    with Load(own_server, "survives", visitors=2) as load:
        own_server.stop(signal.SIGKILL)
        assert own_server.get("survives").body == before
        own_server.start()
        project.ok("ps:wait")
    assert load.failures == []
    assert own_server.get("survives").body == before
    assert len([pid for pid in own_server.processes() if _is_app(pid)]) == 1


def test_a_dyno_that_dies_while_there_is_no_daemon_is_booted_by_the_next(own_server: Server, tmp_path: Path) -> None:
    project = own_server.project(tmp_path / "app", "dies")
    project.deploy()
    before = project.get().body
    own_server.stop(signal.SIGKILL)
    (pid,) = [pid for pid in own_server.processes() if _is_app(pid)]
    os.kill(pid, signal.SIGKILL)

    own_server.start()

    assert project.get().status == 200  # held until it is up
    assert project.get().body != before
    assert "Process exited with status 137" in project.ok("logs")


def test_kill_9_of_the_router_is_mended_on_the_same_port(own_server: Server, tmp_path: Path) -> None:
    project = own_server.project(tmp_path / "app", "routed")
    project.deploy()
    router = next(pid for pid in own_server.processes() if b"pushd.router" in Path(f"/proc/{pid}/cmdline").read_bytes())

    os.kill(router, signal.SIGKILL)

    assert project.get().status == 200  # the connection waited for the next router


@pytest.mark.parametrize("sandbox", ["auto", "off"])
def test_a_build_that_dies_with_the_daemon_is_settled(tmp_path: Path, sandbox: str) -> None:
    with running(Server(tmp_path / "data", tmp_path / "home", flags=("--sandbox", sandbox))) as own_server:
        _check_a_half_done_build(own_server, tmp_path, sandbox)


def _check_a_half_done_build(own_server: Server, tmp_path: Path, sandbox: str) -> None:
    project = own_server.project(tmp_path / "app", "half-done")
    hook = "#!/bin/sh\nsetsid sleep 86424 >/dev/null 2>&1 &\necho the hook is here\nsleep 86424\n"
    project.write("bin/post_compile", hook)
    (project.folder / "bin" / "post_compile").chmod(0o755)
    project.commit("slow")
    push = project.popen_push()
    for line in iter(push.stderr.readline, ""):  # type: ignore[union-attr]
        if "the hook is here" in line:
            break
    own_server.stop(signal.SIGKILL)
    _, rest = push.communicate(timeout=60)
    assert push.returncode != 0, rest

    own_server.start()

    if sandbox == "off":
        assert 'msg="apps are not confined' in own_server.daemon_log()
    build = json.loads(project.ok("builds", "--json"))[0]
    assert build["status"] == "failed"
    output = project.ok("builds:output", build["id"])
    assert "the hook is here" in output
    assert output.endswith("\n !     Failed: the server stopped during the build. Push again.\n")
    assert "failed: the server stopped during the build" in project.ok("logs", "--ps", "api")
    eventually(lambda: not [pid for pid in own_server.processes() if _is_hook(pid)], what="the build's processes to end")
    project.write("bin/post_compile", "#!/bin/sh\ntrue\n")
    project.commit("quick")
    project.deploy()
    assert project.get().status == 200


def _is_hook(pid: int) -> bool:
    words = Path(f"/proc/{pid}/cmdline").read_bytes()
    return b"post_compile" in words or b"86424" in words


def test_an_explicit_router_address_moves_a_running_router(own_server: Server, tmp_path: Path) -> None:
    project = own_server.project(tmp_path / "app", "moves")
    project.deploy()
    old = own_server.endpoints["router"]
    own_server.stop(signal.SIGTERM)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]

    own_server.start("--router-listen", f"127.0.0.1:{port}")

    assert own_server.endpoints["router"] == f"http://127.0.0.1:{port}" != old
    assert project.get().status == 200
    with socket.socket() as closed:
        assert closed.connect_ex(("127.0.0.1", int(old.rpartition(":")[2]))) != 0


def test_default_app_answers_for_unknown_hosts(tmp_path: Path) -> None:
    with running(Server(tmp_path / "data", tmp_path / "home"), "--default-app", "front") as server:
        assert server.get("nobody").status == 404
        project = server.project(tmp_path / "app", "front")
        project.deploy()

        assert server.get("nobody").body.startswith("version one")
        project.ok("rename", "back")
        assert server.get("nobody").status == 404


def test_check_prints_settings_with_origins(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(BIN / "pushd"), "serve", "--check", "--data-dir", str(tmp_path / "data"), "--domain", "example.org"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PUSHD_API_LISTEN": "127.0.0.1:1234"},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert re.search(r"domain = example.org +\(flag\)", done.stdout)
    assert re.search(r"api_listen = 127.0.0.1:1234 +\(PUSHD_API_LISTEN\)", done.stdout)
    assert re.search(r"router_listen = 127.0.0.1:8080 +\(default\)", done.stdout)
    assert "\nsource_timeout_seconds = 600  (default)\n" in done.stdout
    assert "\ndyno_cgroup = (empty)  (default)\n" in done.stdout
    assert done.stdout.endswith("\nssh: 127.0.0.1:2222, host key is made at the first start\n")
    assert not (tmp_path / "data").exists()


def test_a_taken_port_is_said_clearly(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [str(BIN / "pushd"), "serve", "--data-dir", str(tmp_path / "data"), "--router-listen", "127.0.0.1:0",
             "--ssh-listen", "127.0.0.1:0", "--api-listen", f"127.0.0.1:{taken.getsockname()[1]}"],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    assert done.returncode == 1
    assert "cannot listen on" in done.stderr
    assert "Traceback" not in done.stderr


def _start_in_vain(data: Path, home: Path) -> str:
    server = Server(data, home)
    done = run([str(BIN / "pushd"), "serve", "--data-dir", str(data), "--api-listen", "127.0.0.1:0"], cwd=home,
               env=server.daemon_environ())  # fmt: skip
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    return done.stderr


def test_a_data_folder_that_cannot_be_used_is_said_clearly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    for data in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/pushd")):
        assert f"cannot use the data folder {data}" in _start_in_vain(data, tmp_path / "home")


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "shop"
    (theirs / "run").mkdir(parents=True)
    (theirs / "app.py").write_text("print()")

    assert f"{theirs} is no data folder of pushd, and it is not empty (it holds app.py)" in _start_in_vain(
        theirs, tmp_path / "home"
    )
    assert sorted(path.name for path in theirs.iterdir()) == ["app.py", "run"]


def test_what_a_start_that_was_cut_short_left_is_no_hindrance(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("run", "slugs", "lost+found"):
        (data / name).mkdir(parents=True)
    for name in (".format.4711.tmp", "daemon.log"):  # the demo has its daemon write into the latter
        (data / name).touch()

    with running(Server(data, tmp_path / "home")) as server:
        assert server.call("GET", "/-/health")[0] == 200


def test_a_token_file_without_a_token_opens_no_door(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for content in (b"", b"\n", b"\xff\xfe" * 20):
        (tmp_path / "data" / "admin.token").write_bytes(content)

        assert "admin.token holds no token" in _start_in_vain(tmp_path / "data", tmp_path / "home")


def test_api_and_router_on_unix_sockets(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    api, router = f"unix:{folder}/api.sock", f"unix:{folder}/router.sock"
    with running(Server(tmp_path / "data", tmp_path / "home"), "--api-listen", api, "--router-listen", router) as server:
        assert server.ready.startswith(f"ready api={api} router={router} ")
        assert (server.endpoints["api"], server.endpoints["router"]) == (api, router)

        server.ok("create", "behind-a-socket", "--no-remote")
        assert "behind-a-socket" in server.ok("apps")
        assert (
            json.loads(server.ok("info", "-a", "behind-a-socket", "--json"))["web_url"] == "http://behind-a-socket.localhost/"
        )
        server.stop(signal.SIGTERM)
        server.start("--api-listen", api, "--router-listen", router)  # takes the router and its socket over


def test_a_start_that_fails_late_leaves_nothing_behind(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", tmp_path / "home")
    (tmp_path / "data" / "run").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as stranger:  # the hooks' socket is opened last
        stranger.bind(str(tmp_path / "data" / "run" / "hook.sock"))
        stranger.listen()
        done = run([str(BIN / "pushd"), "serve", "--data-dir", str(server.data), "--api-listen", "127.0.0.1:0",
                    "--router-listen", "127.0.0.1:0", "--ssh-listen", "127.0.0.1:0"],
                   cwd=tmp_path, env=server.daemon_environ())  # fmt: skip

    assert done.exit_code == 1
    assert "another process listens there" in done.stderr
    assert "remove what is there" in done.stderr
    assert "Traceback" not in done.stderr
    assert server.processes() == []


def test_the_clients_variables_reach_no_child(tmp_path: Path) -> None:
    theirs = {"PUSHD_HOST": "http://not-ours:1", "PUSHD_API_KEY": "a-token-of-the-client", "PUSHD_APP": "not-this-app"}
    with running(Server(tmp_path / "data", tmp_path / "home", environ=theirs)) as server:
        project = server.project(tmp_path / "app", "clean")
        project.deploy()
        children = [pid for pid in server.processes() if server.process and pid != server.process.pid]
        environs = [Path(f"/proc/{pid}/environ").read_bytes() for pid in children]

    assert len(environs) > 1
    assert not [each for each in environs for value in theirs.values() if value.encode() in each]


_AS_SYSTEMD = """
import os, sys
api, router, ssh, *argv = sys.argv[1:]
for number, descriptor in ((50, api), (51, router), (52, ssh)):
    os.dup2(int(descriptor), number)
for number in (50, 51, 52):
    os.dup2(number, number - 47)
names = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "3", "LISTEN_FDNAMES": "api:router:ssh"}
os.execve(argv[0], argv, {**os.environ, **names})
"""


def test_sockets_of_systemd_are_used(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", tmp_path / "home")
    with (
        socket.create_server(("127.0.0.1", 0)) as api,
        socket.create_server(("127.0.0.1", 0)) as router,
        socket.create_server(("127.0.0.1", 0)) as ssh,
    ):
        descriptors = (api.fileno(), router.fileno(), ssh.fileno())
        process = subprocess.Popen(
            [sys.executable, "-c", _AS_SYSTEMD, *map(str, descriptors), str(BIN / "pushd"), "serve",
             "--data-dir", str(server.data)],
            env=server.daemon_environ(), pass_fds=descriptors, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)

        assert f" api=http://127.0.0.1:{api.getsockname()[1]} router=http://127.0.0.1:{router.getsockname()[1]} " in ready
        assert f" ssh=ssh://127.0.0.1:{ssh.getsockname()[1]} " in ready
    assert server.processes() == []


def test_a_store_that_fails_while_it_serves_ends_the_daemon_and_no_app(own_server: Server, tmp_path: Path) -> None:
    project = own_server.project(tmp_path / "app", "untouched")
    project.deploy()
    page = project.get().body
    assert own_server.process is not None
    kept = {path: path.read_bytes() for path in own_server.data.glob("pushd.sqlite3*") if path.is_file()}
    for path, content in kept.items():
        with open(path, "r+b") as file:
            file.write(b"\xff" * len(content))

    eventually(lambda: _has_ended_after_calls(own_server), what="the daemon to end")

    assert own_server.process.wait() == 1
    assert 'part=store cause="cannot use the store' in own_server.daemon_log()
    assert project.get().body == page
    own_server.stop()
    for path, content in kept.items():
        path.write_bytes(content)
    own_server.start()
    assert "untouched" in own_server.ok("apps")
    assert project.get().body == page


def _has_ended_after_calls(server: Server) -> bool:
    for path in ("/apps", "/apps/untouched/releases", "/apps/untouched/builds", "/apps/untouched/domains", "/account/keys"):
        with contextlib.suppress(OSError, http.client.HTTPException):
            server.call("GET", path)
    return server.process is not None and server.process.poll() is not None


def test_a_damaged_dyno_folder_is_the_matter_of_its_app_alone(tmp_path: Path) -> None:
    """Its dynos are ended and booted anew; those of others go on."""
    with running(Server(tmp_path / "data", tmp_path / "home")) as server:
        sound, bad = server.project(tmp_path / "sound", "sound"), server.project(tmp_path / "bad", "bad")
        bad.write("Procfile", "web: exec python app.py\nwatched: exec sleep 600\nknown: exec sleep 600\n")
        bad.commit("more dynos")
        sound.deploy()
        bad.deploy()
        bad.ok("ps:scale", "watched=1", "known=1")
        eventually(lambda: bad.ok("ps").count(": up ") >= 3, what="all to be up")
        page = sound.get("/env/PORT").body
        server.stop(signal.SIGKILL)
        with contextlib.closing(sqlite3.connect(server.data / "pushd.sqlite3")) as store:
            store.execute("UPDATE meta SET value = 'garbage' WHERE key LIKE '%port'")
            rows = dict(store.execute("SELECT apps.name || ' ' || type, dynos.id FROM dynos JOIN apps ON apps.id = app_id"))
            store.execute("UPDATE dynos SET started_at = 'soon' WHERE id = ?", (rows["bad known"],))
            store.commit()
        dynos = server.data / "run" / "dynos"
        (dynos / rows["bad web"] / "scratch" / "status").write_bytes(b"[]\n")
        (dynos / rows["bad watched"] / "alive").unlink()
        (dynos / rows["bad watched"] / "alive").mkdir()
        (dynos / "stray").write_text("of nobody")
        (dynos / str(UUID(int=1))).write_text("of nobody")

        server.start()

        assert sound.get("/env/PORT").body == page
        assert "version" in bad.get().body
        expected = {rows["sound web"]}
        eventually(
            lambda: set(os.listdir(dynos)) & {*rows.values(), "stray", str(UUID(int=1))} == expected, what="the rest to go"
        )
        eventually(lambda: len(os.listdir(dynos)) == len(rows), what="new dynos")
        assert "Traceback" not in server.daemon_log()
