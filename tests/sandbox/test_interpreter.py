"""What a Python needs, found along the links that lead to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pushd.sandbox.interpreter import find_interpreter
from pushd.sandbox.view import Bind


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    folder = tmp_path / "versions" / "3.11.7"
    (folder / "bin").mkdir(parents=True)
    (folder / "lib" / "python3.11").mkdir(parents=True)
    (folder / "lib" / "python3.11" / "os.py").touch()
    (folder / "bin" / "python3.11").touch()
    (folder / "bin" / "python3").symlink_to("python3.11")
    return folder


def virtualenv(folder: Path, python: Path, home: Path | None = None) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(python)
    (folder / "pyvenv.cfg").write_text(f"home = {home or python.parent}\nversion = 3.11.7\n")
    return folder / "bin" / "python"


def test_the_installation_behind_a_virtualenv(tmp_path: Path, installation: Path) -> None:
    python = virtualenv(tmp_path / "env", installation / "bin" / "python3")
    binds, links = find_interpreter(python)
    assert binds == (Bind(installation, at=installation),)
    assert links == ((str(installation / "bin" / "python3"), python),) or links == ()


def test_a_folder_that_is_a_link_is_shown_under_both_names(tmp_path: Path, installation: Path) -> None:
    minor = tmp_path / "versions" / "3.11"
    minor.symlink_to("3.11.7")
    binds, _ = find_interpreter(virtualenv(tmp_path / "env", minor / "bin" / "python3.11"))
    assert Bind(installation, at=minor) in binds


def test_a_link_that_stands_alone_is_made_again_and_its_neighbours_stay_hidden(tmp_path: Path, installation: Path) -> None:
    alone = tmp_path / "home" / "bin" / "python3"
    alone.parent.mkdir(parents=True)
    alone.symlink_to(installation / "bin" / "python3.11")
    binds, links = find_interpreter(virtualenv(tmp_path / "env", alone, home=installation / "bin"))
    assert {bind.destination for bind in binds} == {installation}
    assert (str(installation / "bin" / "python3.11"), alone) in links


def test_a_program_that_is_no_python_is_shown_by_itself(tmp_path: Path) -> None:
    program = tmp_path / "tools" / "bin" / "uv"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    assert find_interpreter(program) == ((Bind(program),), ())


@pytest.mark.parametrize("target", ["/etc/shadow", "/root/.bashrc", "/bin/python3", "/proc/1/environ", "data/slugs/other/run"])
def test_a_link_that_leads_to_what_is_no_python_shows_nothing(tmp_path: Path, target: str) -> None:
    """A build writes its app's virtualenv, and so chooses where its links lead: /bin/python3 would make all of / a Python's."""
    other = tmp_path / "data" / "slugs" / "other" / "run"
    other.parent.mkdir(parents=True)
    other.touch(0o755)
    python = virtualenv(tmp_path / "data" / "env", tmp_path / target)
    binds, _ = find_interpreter(python, tmp_path / "data")
    assert [bind for bind in binds if not bind.source.is_relative_to("/usr")] == []


def test_what_is_shown_is_what_was_looked_at(tmp_path: Path, installation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that changes a link between two looks has us show what the second one found, if there are two."""
    (tmp_path / "data" / "env").mkdir(parents=True)
    link = tmp_path / "data" / "env" / "here"
    link.symlink_to(installation)
    python = virtualenv(tmp_path / "data" / "env" / "venv", link / "bin" / "python3")
    looks = os.path.realpath

    def look_then_change(path: str | Path) -> str:
        found = looks(path)
        if found == str(installation):
            link.unlink()
            link.symlink_to(tmp_path)
        return found

    monkeypatch.setattr(os.path, "realpath", look_then_change)
    binds, _ = find_interpreter(python, tmp_path / "data")
    assert {bind.source for bind in binds} == {installation}


def test_a_data_folder_is_hidden_by_all_its_names(tmp_path: Path) -> None:
    other = tmp_path / "data" / "slugs" / "other" / "bin" / "python3"
    other.parent.mkdir(parents=True)
    other.touch(0o755)
    (tmp_path / "alias").symlink_to("data")
    for hidden in ("data", "alias"):
        for named in ("data", "alias"):
            python = virtualenv(tmp_path / "data" / f"{hidden}-{named}", tmp_path / named / "slugs/other/bin/python3")
            assert find_interpreter(python, tmp_path / hidden)[0] == ()


@pytest.mark.parametrize("home", ["/", "/root", "data", ".", "relative"])
def test_a_folder_with_somebodys_files_is_no_installation(tmp_path: Path, home: str) -> None:
    """Whatever a virtualenv names as its home, and wherever there is something that looks like a standard library."""
    for folder in (tmp_path / "data", tmp_path):
        (folder / "lib" / "python3.11").mkdir(parents=True)
        (folder / "lib" / "python3.11" / "os.py").touch()
    python = virtualenv(tmp_path / "data" / "env", tmp_path / "data" / "bin" / "python3", home=tmp_path / home / "bin")
    binds, _ = find_interpreter(python, tmp_path / "data")
    assert binds == ()


def test_a_link_in_place_of_its_config_is_not_followed_and_a_fifo_not_waited_for(tmp_path: Path, installation: Path) -> None:
    python = virtualenv(tmp_path / "env", Path("/nowhere/python3"))
    real = (tmp_path / "env" / "pyvenv.cfg").rename(tmp_path / "cfg")
    real.write_text(f"home = {installation}/bin\n")
    (tmp_path / "env" / "pyvenv.cfg").symlink_to(real)
    assert find_interpreter(python)[0] == ()
    (tmp_path / "env" / "pyvenv.cfg").unlink()
    os.mkfifo(tmp_path / "env" / "pyvenv.cfg")
    assert find_interpreter(python)[0] == ()


def test_missing_and_circular_ones_give_what_can_be_found(tmp_path: Path) -> None:
    assert find_interpreter(tmp_path / "bin" / "python") == ((), ())
    one, two = tmp_path / "one", tmp_path / "two"
    one.symlink_to(two)
    two.symlink_to(one)
    binds, links = find_interpreter(one)
    assert binds == ()
    assert {place for _, place in links} == {one, two}
