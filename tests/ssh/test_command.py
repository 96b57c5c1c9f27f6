"""What a line over SSH asks for."""

from __future__ import annotations

import contextlib
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.ssh.command import LINE_LIMIT, ClientCommand, GitService, NotServed, parse_command


@pytest.mark.parametrize(
    "line",
    [
        "git-receive-pack '/myapp.git'", "git-receive-pack 'myapp.git'", "git receive-pack '/myapp.git'",
        "git-receive-pack '~/myapp.git'", "git-receive-pack '/myapp.git/'", "git-receive-pack /myapp.git",
    ],
)  # fmt: skip
def test_a_push_names_its_app_in_many_ways(line: str) -> None:
    assert parse_command(line) == GitService("git-receive-pack", "myapp.git")


def test_a_fetch() -> None:
    assert parse_command("git-upload-pack '/myapp'") == GitService("git-upload-pack", "myapp")


def test_a_path_that_is_no_name_stays_as_it_was_and_is_no_app() -> None:
    assert parse_command("git-upload-pack '/../../etc'") == GitService("git-upload-pack", "../../etc")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("logs -t --app x", ("logs", "-t", "--app", "x")),
        ("config:set 'A=b c' B=\"d e\"", ("config:set", "A=b c", "B=d e")),
        ("run --app x -- sh -c 'echo $HOME; exit 3'", ("run", "--app", "x", "--", "sh", "-c", "echo $HOME; exit 3")),
        ("logs; reboot", ("logs;", "reboot")),  # no shell reads it
        ("$(reboot)", ("$(reboot)",)),
    ],
)
def test_a_command_of_the_client(line: str, words: tuple[str, ...]) -> None:
    found = parse_command(line)

    assert isinstance(found, ClientCommand)
    assert found.words == words
    assert "words" not in repr(found)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("", "no shell"),
        ("  ", "no shell"),
        ("git-upload-archive '/myapp.git'", "pushes, clones and fetches"),
        ("git", "pushes, clones and fetches"),
        ("git-receive-pack", "pushes, clones and fetches"),
        ("git-receive-pack a b", "pushes, clones and fetches"),
        ("git-shell", "pushes, clones and fetches"),
        ("scp -t /tmp", "No files"),
        ("/usr/bin/scp -f x", "No files"),
        ("rsync --server .", "No files"),
        ("/usr/lib/openssh/sftp-server", "No files"),
        ("config:set 'A=b", "quotes"),
        ("x\0y", "too long"),
        ("x" * (LINE_LIMIT + 1), "too long"),
    ],
)
def test_what_is_not_served_is_told(line: str, what: str) -> None:
    with pytest.raises(NotServed) as refused:
        parse_command(line)
    assert what in refused.value.text
    assert refused.value.remedy


@given(st.text())
def test_any_line_is_a_command_or_a_refusal(line: str) -> None:
    with contextlib.suppress(NotServed):
        parse_command(line)


@given(st.lists(st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",))), min_size=1))
def test_words_that_were_quoted_come_as_they_were(words: list[str]) -> None:
    with contextlib.suppress(NotServed):
        found = parse_command(shlex.join(words))
        assert isinstance(found, GitService) or found.words == tuple(words)
