"""~/.netrc: our entries come and go, everything else stays as it was."""

from __future__ import annotations

import netrc as reference
import stat
from pathlib import Path

import pytest

from pushd.client.netrc import Netrc, NetrcTrouble, machines_of, parse_netrc

SERVER = "http://127.0.0.1:5000"
OTHERS = """\
# my tokens
machine github.com login ada password "a \\"quoted\\" one"

machine example.com
\tlogin bob
\taccount x
\tpassword #hash

macdef init
cd /tmp
machine 127.0.0.1 in a macro is none

"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".netrc"


def test_saving_into_no_file_makes_a_private_one(file: Path) -> None:
    Netrc(file).save(SERVER, login="ada@example.com", token="t0ken")

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    read = reference.netrc(str(file))
    assert read.authenticators("127.0.0.1") == ("ada@example.com", "", "t0ken")
    assert read.authenticators("127.0.0.1:5000") == ("ada@example.com", "", "t0ken")
    assert Netrc(file).maybe_password(SERVER) == "t0ken"


def test_the_rest_stays_byte_for_byte(file: Path) -> None:
    file.write_text(OTHERS)
    netrc = Netrc(file)
    netrc.save(SERVER, login="ada", token="one")
    netrc.save(SERVER, login="ada", token="two")

    assert netrc.maybe_password(SERVER) == "two"
    assert file.read_text().startswith(OTHERS)
    assert netrc.remove(SERVER)
    assert file.read_text() == OTHERS
    assert not netrc.remove(SERVER)


@pytest.mark.parametrize(
    "text", ["machine a login b password c", "machine a\nlogin b\n#c\n", OTHERS, "macdef x\ncd\n", "\n\n# x"]
)
def test_saving_and_removing_is_a_round_trip(file: Path, text: str) -> None:
    file.write_text(text)
    netrc = Netrc(file)
    netrc.save(SERVER, login="ada", token="t")
    assert netrc.maybe_password(SERVER) == "t"
    netrc.remove(SERVER)

    assert file.read_text().rstrip("\n") == text.rstrip("\n")


def test_an_entry_after_default_would_never_be_found(file: Path) -> None:
    file.write_text("default login anonymous password me@\n")
    Netrc(file).save(SERVER, login="ada", token="t")

    assert reference.netrc(str(file)).authenticators("127.0.0.1") == ("ada", "", "t")
    assert file.read_text().endswith("default login anonymous password me@\n")


def test_bytes_that_are_not_utf8_survive(file: Path) -> None:
    file.write_bytes(b"# caf\xe9\n")
    Netrc(file).save(SERVER, login="ada", token="t")
    assert file.read_bytes().startswith(b"# caf\xe9\n")


def test_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    file.symlink_to(tmp_path / "dotfiles" / "netrc")
    Netrc(file).save(SERVER, login="ada", token="t")

    assert file.is_symlink()
    assert Netrc(file).maybe_password(SERVER) == "t"


def test_the_words_of_other_programs(file: Path) -> None:
    entries = {entry.machine: entry for entry in parse_netrc(OTHERS)}

    assert set(entries) == {"github.com", "example.com"}
    assert entries["github.com"].password == 'a "quoted" one'
    assert (entries["example.com"].login, entries["example.com"].password) == ("bob", "#hash")
    assert "#hash" not in repr(entries["example.com"])


@pytest.mark.parametrize(
    ("text", "password"),
    [
        ("machine 127.0.0.1:5000 login a password p", "p"),
        ("machine 127.0.0.1 login a password p", "p"),
        ("machine 127.0.0.1 password host\nmachine 127.0.0.1:5000 password port", "port"),
        ("machine 127.0.0.1:6000 password p\nmachine 127.0.0.1 password p", None),  # that HOST entry is the other port's
        ("machine 127.0.0.1:6000 password q\nmachine 127.0.0.1 password p", "p"),
        ("machine localhost password p", None),
        ("default login a password p", None),
        ("", None),
    ],
)
def test_which_entry_is_a_servers(file: Path, text: str, password: str | None) -> None:
    file.write_text(text)
    assert Netrc(file).maybe_password(SERVER) == password


def test_logging_out_of_one_port_leaves_the_other(file: Path) -> None:
    netrc = Netrc(file)
    netrc.save("http://127.0.0.1:6000", login="ada", token="six")
    netrc.save(SERVER, login="ada", token="five")
    netrc.remove("http://127.0.0.1:6000")

    assert netrc.maybe_password("http://127.0.0.1:6000") is None
    assert netrc.maybe_password(SERVER) == "five"
    assert reference.netrc(str(file)).authenticators("127.0.0.1") == ("ada", "", "five")


def test_names_of_entries() -> None:
    assert machines_of(SERVER) == ("127.0.0.1:5000", "127.0.0.1")
    assert machines_of("https://example.com") == ("example.com", "example.com")


def test_trouble_is_told(tmp_path: Path) -> None:
    with pytest.raises(NetrcTrouble, match="Cannot read"):
        Netrc(tmp_path).maybe_password(SERVER)  # a folder
    with pytest.raises(NetrcTrouble, match="Cannot write"):
        Netrc(tmp_path / "none" / ".netrc").save(SERVER, login="a", token="t")
