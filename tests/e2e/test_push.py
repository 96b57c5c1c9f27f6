"""A push becomes a live page, or leaves everything as it was."""

from __future__ import annotations

import os
import re
import signal

from tests.e2e.harness import Load, Project, eventually, read_until


def test_a_push_becomes_a_live_page(project: Project) -> None:
    output = project.deploy()

    assert "remote: -----> Python app detected" in output
    assert f"{project.app}.localhost" in output
    assert project.get().body.startswith("version one")


def test_a_second_push_replaces_the_first(deployed: Project) -> None:
    before = deployed.get().body
    deployed.write("app.py", (deployed.folder / "app.py").read_text().replace('"one"', '"two"'))
    deployed.commit("second")

    deployed.deploy()

    assert "version one" in before
    assert "version two" in deployed.get().body


def test_build_output_arrives_while_the_build_runs(project: Project) -> None:
    _add_hook_that_waits(project)

    push = project.popen_push()
    seen = read_until(push.stderr, "the hook is here")
    assert push.poll() is None  # the line was read while the build still waits
    _open_the_gate(project)
    _, rest = push.communicate(timeout=60)

    assert push.returncode == 0, seen + rest


def _add_hook_that_waits(project: Project) -> None:
    """A build that prints a line and then waits until the test opens the gate."""
    project.write("bin/post_compile", "#!/bin/sh\necho the hook is here\nwhile [ ! -e /app/opened ]; do sleep 0.01; done\n")
    (project.folder / "bin" / "post_compile").chmod(0o755)
    project.commit("a build that waits")


def _open_the_gate(project: Project) -> None:
    for hook in project.server.data.glob("**/bin/post_compile"):
        if "the hook is here" in hook.read_text():
            (hook.parent.parent / "opened").touch()


def test_a_failed_build_leaves_the_old_version_serving(deployed: Project) -> None:
    before = deployed.git("ls-remote", "pushd", "master").stdout
    deployed.write("requirements.txt", "this-package-does-not-exist-anywhere==1.0\n")
    deployed.commit("bad requirement")

    result = deployed.push()

    assert result.exit_code == 1
    assert "! [remote rejected] master -> master" in result.output
    assert "this-package-does-not-exist-anywhere" in result.output
    assert deployed.git("ls-remote", "pushd", "master").stdout == before
    assert "version one" in deployed.get().body

    deployed.write("requirements.txt", "# mended\n")
    deployed.commit("mended")
    deployed.deploy()


def test_the_same_push_works_again_once_the_cause_is_gone(deployed: Project) -> None:
    deployed.write("app.py", "import os\nos.environ['MISSING']\n" + (deployed.folder / "app.py").read_text())
    deployed.commit("needs a variable")

    first = deployed.push()
    assert first.exit_code == 1
    assert "KeyError: 'MISSING'" in first.output  # the app's own traceback
    assert "version one" in deployed.get().body

    deployed.ok("config:set", "MISSING=here")
    deployed.deploy()
    assert deployed.get("/env/MISSING").body == "here"


def test_an_app_that_ignores_port_is_told_which_port_it_opened(deployed: Project) -> None:
    source = (deployed.folder / "app.py").read_text().replace('int(os.environ["PORT"])', "0")
    deployed.write("app.py", source)
    deployed.commit("wrong port")
    deployed.ok("settings:set", "boot-timeout-seconds=2")

    result = deployed.push()

    assert result.exit_code == 1
    assert re.search(r"listens on .*:\d+, but PORT is \d+", result.output), result.output
    assert "version one" in deployed.get().body


def test_no_request_fails_while_versions_change(deployed: Project) -> None:
    with Load(deployed.server, deployed.app) as load:
        for number in range(3):
            deployed.write("app.py", (deployed.folder / "app.py").read_text() + f"# {number}\n")
            deployed.commit(f"change {number}")
            deployed.deploy()
        deployed.ok("restart")
        deployed.ok("config:set", "A=1")
        deployed.ok("ps:scale", "web=2")
        deployed.ok("ps:scale", "web=1")

    assert load.failures == []
    assert load.answers > 0


def test_a_failing_release_phase_keeps_the_old_release(deployed: Project) -> None:
    procfile = (deployed.folder / "Procfile").read_text()
    deployed.write("Procfile", procfile + "release: echo migrating && exit 3\n")
    deployed.commit("release phase")

    result = deployed.push()

    assert result.exit_code == 1
    assert "migrating" in result.output
    assert "release phase exited with status 3" in result.output
    assert "version one" in deployed.get().body
    assert "migrating" in deployed.ok("releases:output")

    deployed.write("Procfile", procfile + "release: echo migrated\n")
    deployed.commit("mended")
    assert "migrated" in deployed.deploy()


def test_another_branch_is_stored_and_not_deployed(deployed: Project) -> None:
    deployed.git("checkout", "-q", "-b", "feature")
    deployed.write("app.py", (deployed.folder / "app.py").read_text().replace('"one"', '"feature"'))
    deployed.commit("feature")

    output = deployed.deploy("feature")

    assert "feature:master" in output
    assert "version one" in deployed.get().body
    assert "feature" in deployed.git("ls-remote", "pushd").stdout

    deployed.deploy("feature:master")
    assert "version feature" in deployed.get().body


def test_push_option_no_deploy_stores_only(deployed: Project) -> None:
    deployed.write("app.py", (deployed.folder / "app.py").read_text().replace('"one"', '"stored"'))
    commit = deployed.commit("stored")

    deployed.deploy("-o", "no-deploy", "master")

    assert commit in deployed.git("ls-remote", "pushd", "master").stdout
    assert "version one" in deployed.get().body


def test_what_was_pushed_can_be_cloned_and_fetched(deployed: Project) -> None:
    clone = deployed.folder.parent / "clone"
    url = deployed.git("remote", "get-url", "pushd").stdout.strip()
    deployed.git("clone", "-q", "-c", f"credential.{deployed.server.api}.helper=!git pushd git:credentials", url, str(clone))

    assert (clone / "app.py").read_text() == (deployed.folder / "app.py").read_text()


def test_ctrl_c_in_the_client_cancels_nothing(project: Project) -> None:
    _add_hook_that_waits(project)
    push = project.popen_push()
    read_until(push.stderr, "the hook is here")

    os.killpg(push.pid, signal.SIGINT)  # as a terminal does
    push.communicate(timeout=60)
    _open_the_gate(project)

    eventually(lambda: project.get().status == 200, what="the page of a push nobody watches")
    assert "the hook is here" in project.ok("builds:output")


def test_a_push_that_waits_is_told_and_superseded_by_a_newer_one(project: Project) -> None:
    _add_hook_that_waits(project)
    first = project.popen_push()
    read_until(first.stderr, "the hook is here")

    project.write("bin/post_compile", "#!/bin/sh\ntrue\n")
    project.commit("second")
    second = project.popen_push()
    seen = read_until(second.stderr, "next in line")
    third_commit = project.commit("third")
    third = project.popen_push()
    _, second_rest = second.communicate(timeout=60)
    _open_the_gate(project)
    _, first_rest = first.communicate(timeout=60)
    _, third_rest = third.communicate(timeout=60)

    assert first.returncode == 0, first_rest
    assert second.returncode == 1
    assert f"superseded by {third_commit[:7]}" in seen + second_rest
    assert third.returncode == 0, third_rest
    assert third_commit in project.git("ls-remote", "pushd", "master").stdout


def test_a_procfile_mistake_is_shown_with_its_line(deployed: Project) -> None:
    deployed.write("Procfile", "web: python app.py\nworker python worker.py\n")
    deployed.commit("bad Procfile")

    result = deployed.push()

    assert result.exit_code == 1
    assert "line 2" in result.output
    assert "worker python worker.py" in result.output


def test_an_app_without_a_web_process_deploys(deployed: Project) -> None:
    deployed.write("Procfile", "worker: python worker.py\n")
    deployed.commit("no web")

    deployed.deploy()
    assert deployed.get().status == 503
    deployed.ok("ps:scale", "worker=1")
    eventually(lambda: "worker worker.1 begins" in deployed.ok("logs", "-n", "200"), what="the worker's line")
