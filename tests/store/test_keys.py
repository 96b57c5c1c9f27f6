"""Another key: everything that was encrypted is encrypted anew, all or nothing, and the old key opens nothing any more."""

from __future__ import annotations

import base64
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pushd.kit.key_file import make_next_key, next_key
from pushd.model.pem import parse_pair
from pushd.model.webhook import Level, Secrets
from pushd.store.cipher import Cipher, WrongKey
from pushd.store.keys import KeyFile
from pushd.store.store import SEALED, Store
from tests.fakes import FakeClock
from tests.pki import issue
from tests.store.makes import files_of, make_release

CERTIFICATE = issue("blog.example")
PAIR = parse_pair(CERTIFICATE.pem, CERTIFICATE.key_pem, roots=[], now=datetime.now(UTC))
SECRET = "hunter2-and-more"
NOT_ENCRYPTED = {"authorizations.token_hash", "invitations.token_hash", "ssh_keys.key_hash"}  # hashes


class Kept:
    """A store that is opened again and again, with one of each thing that is encrypted."""

    def __init__(self, folder: Path, given: bytes | None = None) -> None:
        self.folder = folder
        self.key = KeyFile(folder / "secret.key", given)
        self.next = next_key(self.key.path)
        self.path = folder / "pushd.sqlite3"

    async def open(self) -> Store:
        return await Store.open(self.path, self.key, FakeClock())

    async def fill(self) -> None:
        store = await self.open()
        operator = await store.users.create_operator("admin@localhost", "pushd-the-token-of-the-operator")
        app = await store.apps.create("blog", operator)
        await make_release(store, app, operator, config={"PASSWORD": SECRET})
        await store.drains.add(app, f"https://user:{SECRET}@logs.example/")
        await store.sni_endpoints.add(app, "blog-cert", PAIR)
        await store.webhooks.create(
            app, url="https://hooks.example/", include=["api:release"], level=Level.NOTIFY, secrets=Secrets(SECRET, None)
        )
        await store.close()

    async def hold_all(self) -> None:
        """Everything can be read. Raises: WrongKey."""
        store = await self.open()
        (app,) = await store.apps.all()
        assert (await store.config.of(app))["PASSWORD"] == SECRET
        assert SECRET in (await store.drains.of(app))[0].url
        (endpoint,) = await store.sni_endpoints.of(app)
        assert "PRIVATE KEY" in await store.sni_endpoints.private_key(endpoint)
        (webhook,) = await store.webhooks.of(app)
        assert (await store.webhooks.secrets(webhook)).secret == SECRET
        await store.close()

    def sealed(self) -> dict[str, bytes]:
        """What each encrypted column holds now, and what it is bound to."""
        with sqlite3.connect(self.path) as connection:
            return {
                each.purpose(row_id): text
                for each in SEALED
                for row_id, text in connection.execute(f"SELECT id, {each.column} FROM {each.table}")
            }

    def cipher(self) -> Cipher:
        return Cipher(base64.urlsafe_b64decode(self.key.path.read_bytes()))


@pytest.fixture
async def kept(tmp_path: Path) -> Kept:
    made = Kept(tmp_path)
    await made.fill()
    return made


async def test_a_new_key_opens_everything_and_the_old_one_nothing(kept: Kept) -> None:
    old, before = kept.cipher(), kept.sealed()
    snapshot = kept.path.with_name(f"{kept.path.name}.before-0005")
    snapshot.write_bytes(kept.path.read_bytes())
    make_next_key(kept.key.path)

    await kept.hold_all()

    after = kept.sealed()
    assert set(after) == set(before)
    assert len(after) >= 5
    for purpose, text in after.items():
        kept.cipher().unseal(text, purpose=purpose)
        with pytest.raises(WrongKey):
            old.unseal(text, purpose=purpose)
    for content in files_of(kept.folder).values():
        assert not any(text in content for text in before.values())
    assert not kept.next.exists()
    assert not snapshot.exists()
    await kept.hold_all()


async def test_what_is_derived_stays_with_the_key_and_goes_with_it(kept: Kept) -> None:
    async def derived(purpose: str = "signed URLs") -> bytes:
        store = await kept.open()
        await store.close()
        return store.derive_key(purpose)

    first = await derived()
    assert await derived() == first
    assert await derived("another thing") != first
    for content in files_of(kept.folder).values():
        assert first not in content
        assert first.hex().encode() not in content
    make_next_key(kept.key.path)
    assert await derived() != first


async def test_the_key_that_older_versions_signed_urls_with_is_gone(kept: Kept) -> None:
    store = await kept.open()
    await store.meta.set("url_signing_key", "ab" * 32)
    await store.close()

    store = await kept.open()
    assert await store.meta.get("url_signing_key") is None
    await store.close()


async def test_releases_still_do_not_change_afterwards(kept: Kept) -> None:
    make_next_key(kept.key.path)
    await kept.hold_all()

    with sqlite3.connect(kept.path) as connection, pytest.raises(sqlite3.IntegrityError, match="does not change"):
        connection.execute("UPDATE releases SET config = x'00'")


async def test_killed_before_the_old_file_went_the_next_start_has_the_new_key(kept: Kept) -> None:
    old = kept.key.path.read_bytes()
    make_next_key(kept.key.path)
    new = kept.next.read_bytes()
    await kept.hold_all()
    kept.key.path.write_bytes(old)
    kept.next.write_bytes(new)

    await kept.hold_all()

    assert kept.key.path.read_bytes() == new
    assert not kept.next.exists()


async def test_killed_before_the_snapshots_went_the_next_start_removes_them(kept: Kept) -> None:
    old = kept.key.path.read_bytes()
    make_next_key(kept.key.path)
    new = kept.next.read_bytes()
    await kept.hold_all()
    kept.key.path.write_bytes(old)
    kept.next.write_bytes(new)
    snapshot = kept.path.with_name(f"{kept.path.name}.before-0005")
    snapshot.write_bytes(b"what the old key opens")

    await kept.hold_all()

    assert not snapshot.exists()


async def test_a_new_key_that_waits_is_not_written_over(kept: Kept) -> None:
    assert make_next_key(kept.key.path)
    waiting = kept.next.read_bytes()

    assert not make_next_key(kept.key.path)

    assert kept.next.read_bytes() == waiting


async def test_a_key_from_elsewhere_takes_over_from_the_file_and_then_needs_none(kept: Kept) -> None:
    given = base64.urlsafe_b64encode(bytes(range(32)))

    await Kept(kept.folder, given).hold_all()
    kept.key.path.unlink()
    await Kept(kept.folder, given).hold_all()

    with pytest.raises(WrongKey, match=r"secret\.key is missing") as caught:
        await kept.open()
    assert "secret_key_from" in caught.value.remedy
    with pytest.raises(WrongKey, match="what secret_key_from names is not the key"):
        await Kept(kept.folder, base64.urlsafe_b64encode(bytes(32))).open()


@pytest.mark.parametrize("given", [b"hunter2 hunter2", b"0123456789abcdef" * 4])
async def test_a_key_of_another_shape_is_refused_with_how_to_make_one(kept: Kept, given: bytes) -> None:
    with pytest.raises(WrongKey, match="what secret_key_from names holds no key") as caught:
        await Kept(kept.folder, given).open()

    assert "openssl rand -base64 32 | tr +/ -_" in caught.value.remedy


async def test_something_that_cannot_be_read_leaves_all_as_it_was(kept: Kept) -> None:
    with sqlite3.connect(kept.path) as connection:
        connection.execute("UPDATE drains SET url = x'00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'")
    before = kept.sealed()
    make_next_key(kept.key.path)

    with pytest.raises(WrongKey, match="cannot decrypt drain"):
        await kept.open()

    assert kept.sealed() == before
    assert kept.next.exists()
    assert kept.key.path.exists()


async def test_every_column_of_bytes_is_known(kept: Kept) -> None:
    with sqlite3.connect(kept.path) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        found = {
            f"{table}.{column[1]}"
            for table in tables
            for column in connection.execute(f"PRAGMA table_info({table})")
            if column[2] == "BLOB"
        }

    assert found == NOT_ENCRYPTED | {f"{each.table}.{each.column}" for each in SEALED}
