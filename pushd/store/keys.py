"""Which key the store is encrypted with, and how it comes to another one.

Another key takes the place of the one before at a start: all that was sealed is sealed anew in one transaction. Whoever is
killed before its end has the old key in use, whoever is killed after it the new one; both files are there until then.
"""

from __future__ import annotations

import base64
import binascii
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from pushd.kit.atomic import sync_folder
from pushd.kit.crash import crash_point
from pushd.kit.key_file import KEY_BYTES, make_key, next_key
from pushd.store.cipher import RESTORE, Cipher, Sealed, WrongKey
from pushd.store.meta import get_meta, set_meta

_SHAPE = "It is 32 bytes as one line of URL-safe base64, and always the same for this store: openssl rand -base64 32 | tr +/ -_"
_MISSING = f"{RESTORE} A key that is kept elsewhere is named by the setting secret_key_from."
_KEY_CHECK = "key_check"  # in `meta`: a known text, encrypted with the key that the store has


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The key in a file of the data folder, or one that was given from elsewhere; that file then only helps to leave it."""

    path: Path
    given: bytes | None = None  # as the file would hold it

    def open(self, connection: sqlite3.Connection, sealed: tuple[Sealed, ...]) -> tuple[Cipher, bool]:
        """Inside a transaction: the cipher of the key that is wanted, and whether all was sealed anew for it.

        A key is made only for a store that never had one. Raises: WrongKey if no key that we have opens the store.
        """
        check = get_meta(connection, _KEY_CHECK)
        wanted = self._wanted(may_make=check is None)
        if check is None:
            set_meta(connection, _KEY_CHECK, wanted.seal({}, purpose=_KEY_CHECK).hex())
            return wanted, False
        if _opens(wanted, check):
            return wanted, False
        before = self._maybe_before(check)
        if before is None:
            where = "what secret_key_from names" if self.given is not None else str(self.path)
            raise WrongKey(
                f"cannot read config vars: {where} is not the key that this store was encrypted with",
                remedy="Put back the file from the backup that belongs to this store.",
            )
        _seal_anew(connection, sealed, before, wanted)
        set_meta(connection, _KEY_CHECK, wanted.seal({}, purpose=_KEY_CHECK).hex())
        return wanted, True

    @property
    def leaves_another(self) -> bool:
        """Whether a key that is not the wanted one may still lie there: not everything that it opens need be gone then."""
        return self.path.exists() if self.given is not None else self._next.exists()

    def settle(self) -> None:
        """The store has the wanted key, and that is on the disk: leave no other one."""
        if self.given is None and self._next.exists():
            crash_point("key.sealed")
            self._next.replace(self.path)
            sync_folder(self.path.parent)

    @property
    def _next(self) -> Path:
        return next_key(self.path)

    def _wanted(self, *, may_make: bool) -> Cipher:
        if self.given is not None:
            return Cipher(_parse(self.given, "what secret_key_from names", remedy=_SHAPE))
        if self._next.exists():
            return Cipher(_read(self._next))
        if may_make and not self.path.exists():
            make_key(self.path)  # on disk before it is used
        return Cipher(_read(self.path))

    def _maybe_before(self, check: str) -> Cipher | None:
        if (self.given is None and not self._next.exists()) or not self.path.exists():
            return None
        cipher = Cipher(_read(self.path))
        return cipher if _opens(cipher, check) else None


def _seal_anew(connection: sqlite3.Connection, sealed: tuple[Sealed, ...], before: Cipher, wanted: Cipher) -> None:
    """What is removed is overwritten with zeroes: whoever finds the old key later must not find what it opens."""
    connection.execute("PRAGMA secure_delete = ON")  # stays on for this start
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:  # they see to it that a release does not change, and tell the webhooks of changes: this is none
        connection.execute(f'DROP TRIGGER "{name}"')
    for each in sealed:
        rows = connection.execute(f"SELECT id, {each.column} FROM {each.table}").fetchall()
        for row_id, text in rows:
            purpose = each.purpose(row_id)
            values = before.unseal(text, purpose=purpose)
            connection.execute(
                f"UPDATE {each.table} SET {each.column} = ? WHERE id = ?", (wanted.seal(values, purpose=purpose), row_id)
            )
        crash_point("key.sealing")
    for _, statement in triggers:
        connection.execute(statement)


def _opens(cipher: Cipher, check: str) -> bool:
    try:
        cipher.unseal(bytes.fromhex(check), purpose=_KEY_CHECK)
    except WrongKey:
        return False
    return True


def _read(path: Path) -> bytes:
    """Raises: WrongKey."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise WrongKey(f"cannot read config vars: {path} is missing", remedy=_MISSING) from None
    except OSError as error:
        raise WrongKey(f"cannot read config vars: {path}: {error.strerror}", remedy="Check its owner and mode.") from error
    return _parse(text, str(path))


def _parse(text: bytes, where: str, *, remedy: str = RESTORE) -> bytes:
    """Raises: WrongKey."""
    try:
        key = base64.b64decode(text.strip(), altchars=b"-_", validate=True)
    except binascii.Error:
        raise WrongKey(f"cannot read config vars: {where} holds no key", remedy=remedy) from None
    if len(key) != KEY_BYTES:
        raise WrongKey(f"cannot read config vars: {where} holds no key of {KEY_BYTES} bytes", remedy=remedy)
    return key
