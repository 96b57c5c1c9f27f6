"""How long a push takes, against its floor: git's transfer and the app's own boot."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.bench.measure import Row, boot_seconds, environment_of, flask_project, median, seconds, until_page
from tests.e2e.harness import BIN, Load, Project, Server


def measure(server: Server, folder: Path) -> list[Row]:
    project = flask_project(server, folder / "flask", "bench-flask")
    cold = seconds(project.deploy)
    environment = environment_of(server, project.app)
    boot = boot_seconds(environment, project.folder)
    install_cold = _install_seconds(folder, project, cache=folder / "empty-cache")
    rows = [Row("cold first push", f"{cold:.2f} s", f"uv pip install, cold, {install_cold:.2f} s + boot {boot:.2f} s",
                cold / (install_cold + boot))]  # fmt: skip
    rows.append(_first_push_warm(server, folder, project, boot))
    rows.append(_code_only(folder, project, boot))
    rows.append(_new_requirement(project))
    rows.append(_config_set(project, boot))
    rows.append(_rollback(project, boot))
    rows.append(_under_load(project))
    rows.append(_slow_starter(folder, project))
    return rows


def _install_seconds(folder: Path, project: Project, *, cache: Path) -> float:
    """A virtualenv and `uv pip install` by hand, with that cache."""
    target = folder / "by-hand"
    shutil.rmtree(target, ignore_errors=True)
    env = {**os.environ, "UV_CACHE_DIR": str(cache)}
    uv = str(BIN / "uv")

    def install() -> None:
        subprocess.run([uv, "venv", "-q", str(target)], check=True, env=env)
        subprocess.run([uv, "pip", "install", "-q", "--compile-bytecode", "--python", str(target / "bin" / "python"), "-r",
                        str(project.folder / "requirements.txt")], check=True, env=env)  # fmt: skip

    return seconds(install)


def _first_push_warm(server: Server, folder: Path, project: Project, boot: float) -> Row:
    """The environment is gone, the installer's cache is warm: what a first push costs when nothing is downloaded."""
    cache = folder / "empty-cache"
    by_hand = median(lambda: _install_seconds(folder, project, cache=cache), 3)

    def once() -> float:
        shutil.rmtree(environment_of(server, project.app).parent)
        _touch(project)
        return seconds(project.deploy)

    ours = median(once, 3)
    floor = by_hand + boot
    return Row("first push, caches warm", f"{ours:.2f} s", f"uv pip install {by_hand:.2f} s + boot {boot:.2f} s", ours / floor,
               "1.3x", ours / floor <= 1.3)  # fmt: skip


_touched = 0


def _touch(project: Project) -> str:
    """Commit a change of the page; gives the word that the new page shows."""
    global _touched
    _touched += 1
    word = f"Hello{_touched}"
    source = project.folder / "hello.py"
    text = source.read_text().split("\n# changed")[0]
    source.write_text(
        text + f"\n# changed\n@app.after_request\ndef _mark(response):\n    response.data += b' {word}'\n    return response\n"
    )
    project.commit(word)
    return word


def _code_only(folder: Path, project: Project, boot: float, *, what: str = "the Flask example") -> Row:
    """Medians of pushes to us and, in turn, to a bare repository."""
    bare = folder / f"bare-{what.split()[0]}.git"
    subprocess.run(["git", "init", "-q", "--bare", str(bare)], check=True)
    project.git("push", "-q", str(bare), "master")

    def transfer() -> float:
        _touch(project)
        return seconds(lambda: project.git("push", "-q", str(bare), "master"))

    def ours() -> float:
        word = _touch(project)

        def push() -> None:
            project.deploy()
            until_page(project, word)

        return seconds(push)

    pairs = [(ours(), transfer()) for _ in range(7)]
    took, git = sorted(pair[0] for pair in pairs)[3], sorted(pair[1] for pair in pairs)[3]
    ratio = took / (git + boot)
    floor = f"git push to a bare repository {git:.2f} s + boot {boot:.2f} s"
    return Row(f"code-only push to first new response, {what}", f"{took:.2f} s", floor, ratio, "1.2x", ratio <= 1.2)


def _slow_starter(folder: Path, project: Project) -> Row:
    """The same with an app whose imports take a second, as many with a database layer do."""
    source = project.folder / "hello.py"
    source.write_text("import time\n\ntime.sleep(1)  # stands for imports\n" + source.read_text())
    project.commit("slow start")
    project.deploy()
    boot = boot_seconds(environment_of(project.server, project.app), project.folder)
    return _code_only(folder, project, boot, what="an app that takes a second more to start")


def _new_requirement(project: Project) -> Row:
    requirements = project.folder / "requirements.txt"
    requirements.write_text(requirements.read_text() + "humanize==4.9.0\n")
    project.commit("one more requirement")
    return Row("push with one new requirement", f"{seconds(project.deploy):.2f} s")


def _config_set(project: Project, boot: float) -> Row:
    number = 0

    def once() -> float:
        nonlocal number
        number += 1
        word = f"Greeting{number}"

        def change() -> None:
            project.ok("config:set", "--no-wait", f"GREETING={word}")
            until_page(project, word)

        return seconds(change)

    took = median(once, 5)
    return Row(
        "config:set to new value visible",
        f"{took:.2f} s",
        f"boot {boot:.2f} s",
        took / boot,
        "boot + 0.2 s",
        took <= boot + 0.2,
    )


def _rollback(project: Project, boot: float) -> Row:
    took = median(lambda: seconds(lambda: project.ok("rollback")), 3)
    return Row("rollback", f"{took:.2f} s", f"boot {boot:.2f} s", took / boot, "boot + 0.2 s", took <= boot + 0.2)


def _under_load(project: Project, deploys: int = 20) -> Row:
    with Load(project.server, project.app) as load:
        for _ in range(deploys):
            _touch(project)
            project.deploy()
    failed = len(load.failures)
    for failure in load.failures[:3]:
        print("failed:", failure)
    return Row(
        f"failed requests during {deploys} deploys under load", f"{failed} of {load.answers + failed}", bar="0", met=failed == 0
    )
