"""Deploys without git push: archives, buildpacks of others, builds that are cancelled."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import Project, Server, eventually, read_until, run, running

DETECT = "#!/bin/sh\necho {name}\n"
COMPILE = "#!/bin/sh\necho '-----> {name} was here'\necho {name} >>$1/packs\nmkdir -p $1/.profile.d\n"
RELEASE = "#!/bin/sh\necho 'default_process_types: {web: python3 app.py}'\n"


def archive_of(**files: str) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return raw.getvalue()


def build(server: Server, app: str, archive: bytes, **more: Any) -> tuple[int, Any]:
    """Upload an archive and ask for its build."""
    _, source = server.call("POST", "/sources")
    urls = source["source_blob"]
    assert server.put(urls["put_url"], archive) == (200, "")
    return server.call("POST", f"/apps/{app}/builds", {"source_blob": {"url": urls["get_url"], "version": "v1"}, **more})


def ended(server: Server, app: str, build_id: str) -> dict[str, Any]:
    """The build once it is no longer pending."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = server.call("GET", f"/apps/{app}/builds/{build_id}")[1]
        return None if found["status"] == "pending" else found

    return eventually(look, what="the end of the build")


def test_a_folder_goes_live_and_a_later_push_too(project: Project) -> None:
    printed = project.ok("builds:create", "--version", "v1.3.0")

    assert "-----> v2 is live" in printed
    assert project.get().body.startswith("version one")
    assert "Deploy v1.3.0" in project.ok("releases")
    assert list((project.server.data / "uploads").iterdir()) == []
    project.write("app.py", (project.folder / "app.py").read_text().replace('"one"', '"two"'))
    project.commit("second")
    project.deploy()
    assert project.get().body.startswith("version two")


def test_curl_alone_deploys(project: Project) -> None:
    server = project.server
    script = """
        set -e
        call() { curl -sSf -H "Authorization: Bearer $PUSHD_API_KEY" -H 'Accept: application/vnd.heroku+json; version=3' "$@"; }
        json() { python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }
        source=$(call -X POST $PUSHD_HOST/sources)
        tar czf - . | curl -sSf -T - -H 'Content-Type;' "$(echo "$source" | json "['source_blob']['put_url']")"
        build=$(call -X POST $PUSHD_HOST/apps/$1/builds -d '{"source_blob": {"version": "v7", "url": "'"$(echo "$source" \\
            | json "['source_blob']['get_url']")"'"}}')
        curl -sSfN "$(echo "$build" | json "['output_stream_url']")"
        call $PUSHD_HOST/apps/$1/builds/$(echo "$build" | json "['id']") | json "['status']"
    """
    result = run(["bash", "-c", script, "-", project.app], cwd=project.folder, env=server.client_environ())

    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("succeeded\n"), result.stdout
    assert project.get().status == 200


def test_bad_archives_fail_the_build_and_leave_the_old_version(deployed: Project) -> None:
    server, before = deployed.server, deployed.get().body
    for archive, told in ((archive_of(**{"../evil": "x"}), "leads out of its folder"), (b"no archive", "neither tar")):
        status, made = build(server, deployed.app, archive)
        assert status == 201
        failed = ended(server, deployed.app, made["id"])
        assert (failed["status"], told in failed["reason"]) == ("failed", True), failed
        assert f" !     cannot unpack the source: {failed['reason'].partition(': ')[2]}" in deployed.ok(
            "builds:output", made["id"]
        )
    assert list((server.data / "uploads").iterdir()) == []
    status, made = build(server, deployed.app, archive_of(Procfile="web: x\n"), buildpacks=[{"name": "heroku/none"}])
    assert (status, made["id"]) == (422, "invalid_params")
    assert deployed.get().body == before


def test_private_addresses_are_not_fetched(deployed: Project) -> None:
    ended_with = deployed.pushd("builds:create", "--source-url", f"{deployed.server.api}/-/health")

    assert ended_with.exit_code == 1
    assert "is no public address" in ended_with.stderr


def test_an_upload_outlives_the_daemon(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", tmp_path / "home")
    with running(server):
        server.ok("create", "later", "--no-remote")
        urls = server.call("POST", "/sources")[1]["source_blob"]
        assert server.put(
            urls["put_url"], archive_of(Procfile="web: python3 -m http.server $PORT\n", **{"requirements.txt": ""})
        )
        server.stop()
        server.start()
        _, made = server.call("POST", "/apps/later/builds", {"source_blob": {"url": urls["get_url"]}})
        assert ended(server, "later", made["id"])["status"] == "succeeded"
        status, refused = server.call("POST", "/apps/later/builds", {"source_blob": {"url": urls["get_url"]}})
        assert (status, refused["id"]) == (422, "invalid_params")


def test_a_build_is_cancelled_with_all_that_it_started(deployed: Project) -> None:
    server, before = deployed.server, deployed.get().body
    deployed.write("bin/post_compile", "#!/bin/sh\necho the hook is here\nsleep 86421\n")
    (deployed.folder / "bin" / "post_compile").chmod(0o755)
    deployed.commit("a build that hangs")
    push = deployed.popen_push()
    eventually(sleepers, what="the hook")

    deployed.ok("builds:cancel")

    _, said = push.communicate(timeout=60)
    assert push.returncode == 1
    assert "cancelled" in said
    eventually(lambda: not sleepers(), what="the end of the hook")
    builds = json.loads(deployed.ok("builds", "--json"))
    assert (builds[0]["status"], builds[0]["reason"]) == ("failed", "cancelled")
    assert deployed.get().body == before
    assert "no build under way" in deployed.pushd("builds:cancel").stderr
    assert server.call("DELETE", f"/apps/{deployed.app}/builds/{builds[0]['id']}")[0] == 422
    deployed.write("bin/post_compile", "#!/bin/sh\n")
    deployed.commit("and one that does not")
    deployed.deploy()


def test_pushes_and_archives_share_one_queue_and_the_machine(tmp_path: Path) -> None:
    with running(Server(tmp_path / "data", tmp_path / "home"), "--builds-at-once", "1") as server:
        busy, other = server.project(tmp_path / "busy", "busy"), server.project(tmp_path / "other", "other")
        busy.write("bin/post_compile", "#!/bin/sh\necho the hook is here\nsleep 86422\n")
        (busy.folder / "bin" / "post_compile").chmod(0o755)
        busy.commit("a build that hangs")
        first = busy.popen_push()
        read_until(first.stderr, "the hook is here")

        elsewhere = other.popen_push()
        assert "a build of another app is under way; position 1 in line" in read_until(elsewhere.stderr, "Waiting")
        busy.git("rm", "-q", "bin/post_compile")
        busy.commit("and one that does not")
        second = busy.popen_push()
        read_until(second.stderr, "this one is next in line")
        archive = archive_of(**{"Procfile": "web: python3 -m http.server $PORT\n", "requirements.txt": ""})
        _, made = build(server, "busy", archive)

        assert "superseded by v1" in second.communicate(timeout=60)[1]
        assert [each["status"] for each in json.loads(busy.ok("builds", "--json"))] == ["pending", "failed", "pending"]
        server.ok("builds:cancel", json.loads(busy.ok("builds", "--json"))[2]["id"], "--app", "busy")
        assert "cancelled" in first.communicate(timeout=60)[1]
        assert "v2 is live" in elsewhere.communicate(timeout=60)[1]
        assert ended(server, "busy", made["id"])["status"] == "succeeded"
        assert other.get().body.startswith("version one")


def test_a_push_whose_build_fills_memory_is_told_and_the_old_version_stays(deployed: Project) -> None:
    before = deployed.get().body
    deployed.ok("resources:set", "build", "memory=100M")
    fill = "python3 -c 'import time; held = bytearray(b\"x\") * (50 << 20); time.sleep(600)'"
    deployed.write("bin/post_compile", f"#!/bin/sh\n{fill} & {fill} & {fill} & wait\n")
    (deployed.folder / "bin" / "post_compile").chmod(0o755)
    deployed.commit("a build that fills memory")

    push = deployed.push()

    assert push.exit_code == 1
    assert "the build took more than 100 MB of memory, and was ended" in push.output
    assert "resources:set build memory=" in push.output
    assert deployed.get().body == before


def sleepers() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"86421" in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def test_a_slug_from_elsewhere_is_released(project: Project) -> None:
    server, path = project.server, f"/apps/{project.app}/slugs"
    status, slug = server.call("POST", path, {"process_types": {"web": "python3 app.py"}, "commit": "v9"})
    assert (status, slug["blob"]["method"]) == (201, "put")
    assert server.call("POST", f"/apps/{project.app}/releases", {"slug": slug["id"]})[0] == 422  # nothing is there yet
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        tar.add(project.folder / "app.py", "./app/app.py")
    assert server.put(slug["blob"]["url"], b"no archive")[0] == 422
    assert server.put(slug["blob"]["url"], raw.getvalue()) == (200, "")
    assert server.put(slug["blob"]["url"], raw.getvalue())[0] == 422  # it has one

    status, release = server.call("POST", f"/apps/{project.app}/releases", {"slug": slug["id"]})

    assert (status, release["description"]) == (201, "Deploy v9")
    eventually(lambda: project.get().body.startswith("version one"), what="the slug's page")
    url = server.call("GET", f"{path}/{slug['id']}")[1]["blob"]["url"]
    assert server.fetch(url) == server.fetch(url)
    with tarfile.open(fileobj=io.BytesIO(server.fetch(url))) as tar:
        assert tar.getnames() == ["app", "app/app.py"]


class _Git(BaseHTTPRequestHandler):
    """git's own server for http, as git-http-backend(1) wants to be called."""

    top: Path

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        environ = {
            "PATH": "/usr/bin:/bin", "GIT_PROJECT_ROOT": str(self.top), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        }  # fmt: skip
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        done = subprocess.run(["git", "http-backend"], input=body, env=environ, capture_output=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        self.send_response(int(dict(lines).get("Status", "200").split()[0]))
        for name, value in lines:
            if name != "Status":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _serve

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def git_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An address, and the folder whose repositories it serves."""
    top = tmp_path / "repositories"
    top.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Git", (_Git,), {"top": top})) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", top
        server.shutdown()
        thread.join()


def make_pack(server: Server, folder: Path, name: str, branch: str = "main") -> None:
    """Commit a buildpack that says its name."""
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    for file, text in (("detect", DETECT), ("compile", COMPILE), ("release", RELEASE)):
        (folder / "bin" / file).write_text(text.replace("{name}", name))
        (folder / "bin" / file).chmod(0o755)
    environ = server.client_environ()
    for words in (["init", "-q", "-b", "main"], ["checkout", "-q", "-B", branch], ["add", "-A"], ["commit", "-qm", name]):
        assert run(["git", *words], cwd=folder, env=environ).exit_code == 0


def test_an_app_of_two_buildpacks_one_of_them_from_elsewhere(tmp_path: Path, git_server: tuple[str, Path]) -> None:
    address, top = git_server
    with running(Server(tmp_path / "data", tmp_path / "home", flags=("--fetch-private", "127.0.0.1"))) as server:
        project = server.project(tmp_path / "app", "packs")
        make_pack(server, top / "one.git", "first")
        make_pack(server, top / "one.git", "other", branch="v2")
        project.ok("buildpacks:set", f"{address}/one.git#v2")
        project.ok("buildpacks:add", "heroku/python")

        output = project.deploy()

        assert f"remote: -----> Using buildpacks:        \nremote:        1. {address}/one.git#v2" in output
        assert "-----> other was here" in output
        assert "Python app detected" in output
        assert project.get("/read/app/packs").body == "other\n"
        made = json.loads(project.ok("builds:info", "--json"))["buildpacks"]
        assert [each["name"] for each in made] == [f"{address}/one.git#v2", "heroku/python"]

        make_pack(server, top / "one.git", "newer", branch="v2")  # fetched afresh for each build
        project.commit("again")
        assert "-----> newer was here" in project.deploy()

        shutil.rmtree(top / "one.git")
        before = project.get().body
        project.commit("and again")
        refused = project.push()
        assert refused.exit_code == 1
        assert f"cannot fetch the buildpack {address}/one.git#v2: " in refused.output
        assert project.get().body == before

        project.ok("config:set", f"BUILDPACK_URL={address}/none.tgz")  # the variable counts first
        assert f"cannot fetch the buildpack {address}/none.tgz: status 404" in project.push().output
