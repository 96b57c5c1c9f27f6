"""The shell function: our commands reach the program, everything else the shell's own pushd."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
from pathlib import Path

import pytest

from pushd.cli import commands
from pushd.cli.shell_init import text_for
from tests.cli.conftest import Cli


@pytest.fixture
def shell(tmp_path: Path) -> Path:
    """A folder with a git-pushd on PATH that prints what it was called with."""
    program = tmp_path / "bin" / "git-pushd"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        "[ \"$1\" = complete:apps ] && printf 'shop\\nshoes\\nblog\\n' && exit\n"
        'printf "ours:"; for word in "$@"; do printf "<%s>" "$word"; done; echo\n'
    )
    program.chmod(0o755)
    for name in ("work", "work/one", "work/config", "work/x:y"):
        (tmp_path / name).mkdir()
    return tmp_path


def run_in(shell: Path, name: str, script: str) -> list[str]:
    """The lines that a shell prints, which has evaluated our text first."""
    flags = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[name]
    init = shell / f"init.{name}"
    init.write_text(text_for(name))
    ended = subprocess.run(
        [name, *flags, "-c", f"source {init}\ncd {shell}/work\n{script}"], capture_output=True, text=True, check=False,
        env={"PATH": f"{shell}/bin:/usr/local/bin:/usr/bin:/bin", "HOME": str(shell), "LANG": "C.UTF-8"},
    )  # fmt: skip
    assert ended.stderr == "", ended
    return ended.stdout.splitlines()


SHELLS = [
    pytest.param(name, marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed"))
    for name in ("bash", "zsh", "fish")
]


@pytest.mark.parametrize("name", SHELLS)
def test_every_command_of_ours_reaches_the_program(shell: Path, name: str) -> None:
    typed = [*commands.names(), "--help", "--version", "-h", "config:sett", "hook"]
    lines = run_in(shell, name, "\n".join(f"pushd {word}" for word in typed))
    assert lines == [f"ours:<{word}>" for word in typed]


@pytest.mark.parametrize("name", SHELLS)
def test_words_of_heroku_and_mistyped_ones_are_ours_unless_there_is_such_a_folder(shell: Path, name: str) -> None:
    typed = ["pg", "spaces", "addons:create", "confg:set", "x:y"]
    lines = run_in(shell, name, "\n".join(f"pushd {word}" for word in typed[:-1]) + "\npushd x:y > /dev/null\npwd")
    assert lines == [*(f"ours:<{word}>" for word in typed[:-1]), f"{shell}/work/x:y"]

    (shell / "work" / "pg").mkdir()
    assert run_in(shell, name, "pushd pg > /dev/null\npwd") == [f"{shell}/work/pg"]


@pytest.mark.parametrize("name", SHELLS)
def test_arguments_arrive_as_they_are(shell: Path, name: str) -> None:
    assert run_in(shell, name, "pushd config:set 'A=two  words' \"B=it's\" -- '*'") == [
        "ours:<config:set><A=two  words><B=it's><--><*>"
    ]


@pytest.mark.parametrize("name", SHELLS)
def test_the_shells_own_pushd_still_works(shell: Path, name: str) -> None:
    quiet = "> /dev/null"
    script = f"pushd one {quiet}; pwd; pushd /tmp {quiet}; pwd; popd {quiet}; pwd; popd {quiet}; pwd"
    work = f"{shell}/work"
    assert run_in(shell, name, script) == [f"{work}/one", "/tmp", f"{work}/one", work]


@pytest.mark.parametrize("name", SHELLS)
def test_a_folder_named_like_a_command(shell: Path, name: str) -> None:
    lines = run_in(shell, name, "pushd ./config > /dev/null; pwd; popd > /dev/null; pushd ./x:y > /dev/null; pwd; pushd config")
    assert lines == [f"{shell}/work/config", f"{shell}/work/x:y", "ours:<config>"]


@pytest.mark.parametrize("name", [shell for shell in SHELLS if shell.values != ("fish",)])
def test_rotation_and_the_bare_word(shell: Path, name: str) -> None:
    quiet = "> /dev/null"
    script = (
        f"pushd one {quiet}; pushd /tmp {quiet}; pushd +1 {quiet}; pwd; pushd {quiet}; pwd; dirs -c; pushd /tmp {quiet}; pwd"
    )
    lines = run_in(shell, name, script)
    assert lines == [f"{shell}/work/one", lines[1], "/tmp"]
    assert lines[1] != lines[0]


def test_the_flag_n_is_bashs_own(shell: Path) -> None:
    assert run_in(shell, "bash", "pushd -n /tmp > /dev/null; pwd; dirs -l -p") == [f"{shell}/work"] * 2 + ["/tmp"]


def complete(shell: Path, line: str) -> list[str]:
    """What bash offers for a line, with the cursor at its end."""
    words = line.replace(":", " : ").split()
    if line.endswith((" ", ":")):
        words.append("")
    script = (
        f"COMP_WORDBREAKS=$' \\t\\n:='\nCOMP_LINE={line!r}; COMP_POINT={len(line)}\n"
        f"COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}\n"
        "_pushd_complete\nprintf '%s\\n' \"${COMPREPLY[@]}\""
    )
    return [found for found in run_in(shell, "bash", script) if found]


def test_completion_in_bash(shell: Path) -> None:
    assert "config" in complete(shell, "pushd conf")
    assert complete(shell, "pushd config:u") == ["unset"]  # behind the colon, as bash counts words
    assert {"get", "set", "unset", "edit"} <= set(complete(shell, "pushd config:"))
    assert "--no-wait" in complete(shell, "pushd config:set --no")
    assert complete(shell, "pushd ./fol") == []


def test_apps_and_remotes_are_completed_in_bash(shell: Path) -> None:
    assert complete(shell, "pushd config --app s") == ["shop", "shoes"]
    assert complete(shell, "pushd config -a ") == ["shop", "shoes", "blog"]
    assert complete(shell, "git pushd config -a b") == ["blog"]
    assert complete(shell, "pushd config --app=sh") == ["shop", "shoes"]  # behind the =, as bash counts words
    assert complete(shell, "pushd info sh") == ["shop", "shoes"]
    assert complete(shell, "pushd info --sh") == ["--shell"]
    assert complete(shell, "pushd logs --no") == ["--no-color"]
    assert complete(shell, "pushd help rollb") == ["rollback"]
    assert complete(shell, "pushd shell-init z") == ["zsh"]
    subprocess.run(["git", "init", "-q", f"{shell}/work"], check=True)
    subprocess.run(["git", "-C", f"{shell}/work", "remote", "add", "myserver", "http://x/y.git"], check=True)
    assert complete(shell, "pushd config -r ") == ["myserver"]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("pushd releases:ro", {"releases:rollback"}),
        ("pushd config -a s", {"shop", "shoes"}),
        ("pushd config --app=b", {"--app=blog"}),
        ("pushd info sh", {"shop", "shoes"}),
        ("pushd config:set --no-w", {"--no-wait"}),
        ("pushd shell-init z", {"zsh"}),
    ],
)
@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_completion_in_fish(shell: Path, line: str, offered: set[str]) -> None:
    assert {each.split("\t")[0] for each in run_in(shell, "fish", f"complete -C '{line}'")} == offered


@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("pushd releases:rollb\t", "<releases:rollback>"),
        ("pushd config -a blo\t", "<config><-a><blog>"),
        ("pushd info blo\t", "<info><blog>"),
        ("pushd config --app=blo\t", "<config><--app=blog>"),
    ],
)
@pytest.mark.parametrize("name", SHELLS)
def test_the_tab_key_in_the_real_shell(shell: Path, name: str, typed: str, becomes: str) -> None:
    (shell / f"init.{name}").write_text(text_for(name))
    prepare = "autoload -Uz compinit; compinit -u -D; " if name == "zsh" else ""
    ours, terminal = pty.openpty()
    flags = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"], "fish": ["--no-config", "-i"]}[name]
    program = subprocess.Popen(
        ["setsid", "--ctty", name, *flags], stdin=terminal, stdout=terminal, stderr=terminal, cwd=shell,
        env={"PATH": f"{shell}/bin:/usr/local/bin:/usr/bin:/bin", "HOME": str(shell), "LANG": "C.UTF-8", "TERM": "dumb"},
    )  # fmt: skip
    os.close(terminal)
    try:
        os.write(ours, f"{prepare}source {shell}/init.{name}; echo read''y\n".encode())
        _read_until(ours, b"ready")
        os.write(ours, typed.encode())
        os.write(ours, b"\n")
        _read_until(ours, f"ours:{becomes}".encode())
    finally:
        program.kill()
        program.wait()
        os.close(ours)


def _read_until(terminal: int, text: bytes) -> None:
    seen = b""
    while text not in seen:
        ready, _, _ = select.select([terminal], [], [], 20)
        assert ready, seen
        seen += os.read(terminal, 65536)


def test_the_command_prints_it(cli: Cli) -> None:
    for name in ("bash", "zsh", "fish"):
        assert cli.ok("shell-init", name) == text_for(name) + "\n"
        assert "./config" in text_for(name)
