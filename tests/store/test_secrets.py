"""Config vars and tokens: encrypted or hashed on disk, shown nowhere."""

from __future__ import annotations

import base64
import sqlite3
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pushd.model.app import App
from pushd.model.config_vars import changed
from pushd.model.user import User
from pushd.store.cipher import Cipher, WrongKey
from pushd.store.store import Store
from tests.fakes import FakeClock
from tests.store.conftest import ADMIN_TOKEN, open_store
from tests.store.makes import files_of, make_release

SECRET = "hunter2-and-more"
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,40}", fullmatch=True).filter(
    lambda name: not name.startswith(("__", "HEROKU_"))
)
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=200)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(NAMES, VALUES, max_size=5))
async def test_any_text_comes_back_as_it_was_sorted_by_name(
    store: Store, app: App, operator: User, values: dict[str, str]
) -> None:
    release = await make_release(store, app, operator, config=changed({}, values))

    back = await store.releases.config_vars(release)

    assert dict(back) == values
    assert list(back) == sorted(values)
    assert dict(await store.config.of(app)) == values


async def test_no_secret_lies_open_in_any_file(store: Store, app: App, operator: User, tmp_path: Path) -> None:
    await make_release(store, app, operator, config={"PASSWORD": SECRET})
    _, token = await store.users.create_authorization(operator, "laptop")

    for content in files_of(tmp_path).values():
        assert SECRET.encode() not in content
        assert ADMIN_TOKEN.encode() not in content
        assert token.encode() not in content


async def test_no_secret_shows_in_sql_traces_or_reprs(store: Store, app: App, operator: User) -> None:
    trace: list[str] = []
    await store.database.transact(lambda connection: connection.set_trace_callback(trace.append))

    release = await make_release(store, app, operator, config={"PASSWORD": SECRET})
    _, token = await store.users.create_authorization(operator, "laptop")

    shown = "\n".join([*trace, repr(release), repr(await store.config.of(app)), repr(store), repr(operator)])
    assert "INSERT INTO releases" in shown
    assert SECRET not in shown
    assert SECRET.encode().hex().upper() not in shown
    assert token not in shown


async def test_a_sealed_copy_cannot_be_passed_off_as_another_releases(store: Store, app: App, operator: User) -> None:
    first = await make_release(store, app, operator, config={"A": "1"})
    second = await make_release(store, app, operator, config={"A": "2"})

    def swap(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TRIGGER releases_do_not_change")
        connection.execute(
            "UPDATE releases SET config = (SELECT config FROM releases WHERE id = ?) WHERE id = ?",
            (str(first.id), str(second.id)),
        )

    await store.database.transact(swap)

    with pytest.raises(WrongKey):
        await store.config.of(app)


async def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    await (await open_store(tmp_path)).close()
    key = (tmp_path / "secret.key").read_bytes()

    await (await open_store(tmp_path)).close()

    assert (tmp_path / "secret.key").read_bytes() == key
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600


async def test_a_key_written_before_a_kill_is_taken_by_the_next_start(tmp_path: Path) -> None:
    await (await open_store(tmp_path)).close()
    key = (tmp_path / "secret.key").read_bytes()
    (tmp_path / "pushd.sqlite3").unlink()  # killed before the store knew it

    await (await open_store(tmp_path)).close()

    assert (tmp_path / "secret.key").read_bytes() == key


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "is missing"),
        (b"", "holds no key"),
        (b"\xff\xfe not base64", "holds no key"),
        (base64.urlsafe_b64encode(b"short"), "holds no key of 32 bytes"),
        (base64.urlsafe_b64encode(bytes(32)), "is not the key that this store was encrypted with"),
    ],
)
async def test_a_missing_or_wrong_key_is_told_and_replaces_nothing(tmp_path: Path, content: bytes | None, told: str) -> None:
    await (await open_store(tmp_path)).close()
    key_file = tmp_path / "secret.key"
    key = key_file.read_bytes()
    key_file.unlink()
    if content is not None:
        key_file.write_bytes(content)

    with pytest.raises(WrongKey, match=told) as caught:
        await open_store(tmp_path)

    assert "backup" in caught.value.remedy
    assert (key_file.read_bytes() if key_file.exists() else None) == content
    key_file.write_bytes(key)
    await (await open_store(tmp_path, FakeClock())).close()  # all is well with the right one


def test_a_flipped_bit_is_found() -> None:
    cipher = Cipher(bytes(32))
    sealed = bytearray(cipher.seal({"A": "1"}, purpose="p"))
    sealed[-1] ^= 1

    with pytest.raises(WrongKey):
        cipher.unseal(bytes(sealed), purpose="p")


def test_equal_values_do_not_look_equal_when_sealed() -> None:
    cipher = Cipher(bytes(32))

    assert cipher.seal({"A": "1"}, purpose="p") != cipher.seal({"A": "1"}, purpose="p")
