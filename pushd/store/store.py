"""The store: one object per noun over one SQLite file and one key."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from pushd.kit.aio import in_thread
from pushd.kit.clock import Clock
from pushd.store import drains, releases, sni_endpoints, webhooks
from pushd.store.accounts import Accounts
from pushd.store.app_settings import AppSettingsTable
from pushd.store.apps import Apps
from pushd.store.audit import Audit
from pushd.store.buildpacks import Buildpacks
from pushd.store.builds import Builds
from pushd.store.changes import Changes
from pushd.store.cipher import Cipher
from pushd.store.collaborators import Collaborators
from pushd.store.config import Config
from pushd.store.database import Database, open_database
from pushd.store.domains import Domains
from pushd.store.drains import Drains
from pushd.store.dynos import Dynos
from pushd.store.formation import Formation
from pushd.store.keys import KeyFile
from pushd.store.meta import Meta, remove_meta
from pushd.store.pipelines import Pipelines
from pushd.store.promotions import Promotions
from pushd.store.releases import Releases
from pushd.store.resources import ResourcesTable
from pushd.store.slugs import Slugs
from pushd.store.snapshots import forget_all, forget_old
from pushd.store.sni_endpoints import SniEndpoints
from pushd.store.ssh_keys import SshKeys
from pushd.store.uids import Uids
from pushd.store.users import Users
from pushd.store.webhook_events import WebhookEvents
from pushd.store.webhooks import Webhooks

log = logging.getLogger(__name__)

SEALED = (releases.SEALED, drains.SEALED, sni_endpoints.SEALED, webhooks.SEALED)  # all that is encrypted


class Store:
    """Made by `Store.open`; ended by `close`. One daemon at a time: `run/daemon.lock` sees to it."""

    def __init__(self, database: Database, cipher: Cipher, clock: Clock) -> None:
        self.database = database
        self.derive_key = (
            cipher.derive
        )  # for what must be there after a restart, and is worth a secret; nothing of it is stored
        self.users = Users(database, clock)
        self.accounts = Accounts(database, clock)
        self.apps = Apps(database, cipher, clock)
        self.releases = Releases(database, cipher, clock)
        self.config = Config(self.releases)
        self.slugs = Slugs(database)
        self.builds = Builds(database, clock)
        self.buildpacks = Buildpacks(database)
        self.formation = Formation(database, clock)
        self.settings = AppSettingsTable(database)
        self.resources = ResourcesTable(database)
        self.changes = Changes(database, clock)
        self.dynos = Dynos(database)
        self.uids = Uids(database)
        self.domains = Domains(database, clock)
        self.sni_endpoints = SniEndpoints(database, cipher, clock)
        self.collaborators = Collaborators(database, clock)
        self.ssh_keys = SshKeys(database, clock)
        self.drains = Drains(database, cipher, clock)
        self.meta = Meta(database)
        self.audit = Audit(database, clock)
        self.pipelines = Pipelines(database, clock)
        self.promotions = Promotions(database, clock)
        self.webhooks = Webhooks(database, cipher, clock)
        self.webhook_events = WebhookEvents(database, cipher)

    @classmethod
    async def open(cls, path: Path, key: KeyFile, clock: Clock) -> Store:
        """The store of a data folder; file and key are made if this is the first time, and a key that waits is gone over to.

        Raises: StoreTooNew, NotOurs, StoreDamaged, CannotOpen, WrongKey, DiskFull, Unavailable.
        """
        database = await open_database(path)
        try:
            cipher = await _open_cipher(database, key)
            await in_thread(forget_old, path, clock.now())
            return cls(database, cipher, clock)
        except BaseException:
            await database.close()
            raise

    async def close(self) -> None:
        """Wait for what was submitted, then close the file; may be called twice."""
        await self.database.close()


async def _open_cipher(database: Database, key: KeyFile) -> Cipher:
    """The cipher that this store is written with from now on."""

    def work(connection: sqlite3.Connection) -> tuple[Cipher, bool]:
        remove_meta(connection, "url_signing_key")  # older versions left it here, in the open
        return key.open(connection, SEALED)

    cipher, is_new = await database.transact(work)
    if is_new or await in_thread(lambda: key.leaves_another):  # the last start may have been killed right here
        await database.empty_log()
        await in_thread(forget_all, database.path)  # they hold what the old key opens
        log.warning("sealed with another key", extra={"snapshots": "of older versions removed"})
    await in_thread(key.settle)
    return cipher
