"""Accounts: made, invited, removed, and what becomes of what they own."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pushd.errors import Conflict, InvalidParams, NotFound, Unauthorized
from pushd.model.ssh_key import parse_public_key
from pushd.model.user import User
from pushd.store.accounts import INVITATION_LIFE
from pushd.store.store import Store
from tests.fakes import FakeClock
from tests.pki import KEY_OF_NOBODY, ssh_public_key
from tests.store.conftest import ADMIN_TOKEN
from tests.store.makes import NOBODY

ADA, BEN = "ada@example.com", "ben@example.com"
HASH = "$argon2id$v=19$..."


async def join(store: Store, email: str, *, is_admin: bool = False) -> User:
    """A user who has set a password."""
    _, invitation = await store.accounts.add(email, is_admin=is_admin, by=await store.users.operator())
    return await store.accounts.redeem(invitation, HASH)


async def test_the_operator_is_an_account_from_the_start(store: Store, operator: User) -> None:
    (only,) = await store.accounts.all()
    assert (only.user, only.user.role, only.has_password, only.invited_until) == (operator, "operator", False, None)
    assert await store.users.password_of(operator.email) == (operator, None)


async def test_an_invitation_sets_a_password_once(store: Store, operator: User, clock: FakeClock) -> None:
    account, invitation = await store.accounts.add(ADA, is_admin=False, by=operator)
    assert (account.user.email, account.user.role, account.has_password) == (ADA, "user", False)
    assert account.invited_until == clock.now() + INVITATION_LIFE
    await store.accounts.find_invited(invitation)

    assert await store.accounts.redeem(invitation, HASH) == account.user

    found = await store.accounts.find(ADA.upper())
    assert (found.has_password, found.invited_until) == (True, None)
    assert await store.users.password_of("Ada@Example.com") == (found.user, HASH)
    for use in (store.accounts.redeem(invitation, "another"), store.accounts.find_invited(invitation)):
        with pytest.raises(NotFound, match="not valid"):
            await use
    assert (await store.users.password_of(ADA))[1] == HASH


async def test_an_invitation_ends_with_time_and_with_the_next_one(store: Store, operator: User, clock: FakeClock) -> None:
    account, first = await store.accounts.add(ADA, is_admin=False, by=operator)
    clock.tick(60)
    _, second = await store.accounts.invite(account.user, by=operator)
    with pytest.raises(NotFound):
        await store.accounts.redeem(first, HASH)
    clock.tick(INVITATION_LIFE.total_seconds() - 1)
    await store.accounts.find_invited(second)
    clock.tick(1)

    with pytest.raises(NotFound):
        await store.accounts.redeem(second, HASH)
    assert (await store.accounts.find(ADA)).invited_until is None
    for nothing in ("", "x", ADMIN_TOKEN, second + "x"):
        with pytest.raises(NotFound):
            await store.accounts.redeem(nothing, HASH)


async def test_neither_invitations_nor_tokens_are_stored(store: Store, operator: User) -> None:
    account, invitation = await store.accounts.add(ADA, is_admin=False, by=operator)
    _, token = await store.users.create_authorization(account.user, "laptop")

    def everything(connection: object) -> str:
        tables = ("users", "invitations", "authorizations")
        return str([tuple(row) for table in tables for row in connection.execute(f"SELECT * FROM {table}")])  # type: ignore[attr-defined]

    kept = await store.database.read(everything)
    assert not [secret for secret in (invitation, token, invitation[6:], token[6:]) if secret in kept]


async def test_one_address_is_one_account(store: Store, operator: User) -> None:
    await join(store, ADA)
    for again in (ADA, "Ada@Example.COM", operator.email):
        with pytest.raises(InvalidParams, match="has an account already"):
            await store.accounts.add(again, is_admin=True, by=operator)
    assert [each.user.email for each in await store.accounts.all()] == [ADA, operator.email]


async def test_an_admin_is_made_and_unmade_but_the_operator(store: Store, operator: User) -> None:
    ada = await join(store, ADA)
    assert (await store.accounts.set_admin(ada, True, by=operator)).user.is_admin
    _, token = await store.users.create_authorization(ada, "laptop")
    user = await store.users.by_token(token)
    assert user
    assert user.is_admin
    assert not (await store.accounts.set_admin(ada, False, by=operator)).user.is_admin
    user = await store.users.by_token(token)
    assert user
    assert not user.is_admin
    for change in (store.accounts.set_admin(operator, False, by=operator), store.accounts.remove(operator, by=operator)):
        with pytest.raises(InvalidParams, match="account of the server itself"):
            await change


async def test_a_removed_user_has_no_way_in_and_stays_in_the_history(store: Store, operator: User) -> None:
    ada = await join(store, ADA, is_admin=True)
    app = await store.apps.create("blog", operator)
    await store.collaborators.add(app, ADA, by=operator)
    await store.ssh_keys.add(ada, parse_public_key(ssh_public_key(KEY_OF_NOBODY), comment="x"))
    await store.accounts.invite(ada, by=operator)
    _, token = await store.users.create_authorization(ada, "laptop")
    build = await store.builds.create(app, user=ada, commit="1" * 40, branch="main")

    removed = await store.accounts.remove(ada, by=operator)

    assert removed.user.email == ADA
    assert await store.users.by_token(token) is None
    assert await store.users.password_of(ADA) == (None, None)
    assert await store.users.maybe_by_email(ADA) is None
    assert await store.users.maybe_by_id(ada.id) is None
    assert [each.email for each in await store.collaborators.of(app)] == [operator.email]
    assert (await store.apps.find("blog")).collaborator_ids == frozenset()
    assert (await store.builds.find(app, str(build.id))).user_email == ADA
    for gone in (store.accounts.find(ADA), store.accounts.remove(ada, by=operator), store.accounts.invite(ada, by=operator)):
        with pytest.raises(NotFound):
            await gone
    with pytest.raises(Unauthorized):
        await store.users.create_authorization(ada, "late")


async def test_who_was_removed_begins_anew(store: Store, operator: User) -> None:
    ada = await join(store, ADA, is_admin=True)
    _, token = await store.users.create_authorization(ada, "laptop")
    await store.accounts.remove(ada, by=operator)

    again, _ = await store.accounts.add("Ada@example.com", is_admin=False, by=operator)

    assert (again.user.id, again.user.email, again.user.role) == (ada.id, "Ada@example.com", "user")
    assert not again.has_password
    assert await store.users.by_token(token) is None


async def test_apps_of_a_removed_user_need_an_heir(store: Store, operator: User) -> None:
    ada, ben = await join(store, ADA), await join(store, BEN)
    app = await store.apps.create("blog", ada)
    await store.pipelines.create("line", ada)
    await store.collaborators.add(app, BEN, by=operator)
    with pytest.raises(Conflict, match="owns blog, line"):
        await store.accounts.remove(ada, by=operator)
    with pytest.raises(Conflict, match="owns blog, line"):
        await store.accounts.remove(ada, ada, by=operator)

    await store.accounts.remove(ada, ben, by=operator)

    app = await store.apps.find("blog")
    assert (app.owner_id, app.collaborator_ids) == (ben.id, frozenset())
    assert [each.owner_id for each in await store.pipelines.all()] == [ben.id]
    assert (await store.accounts.find(BEN)).app_count == 1


async def test_an_heir_cannot_have_two_pipelines_of_one_name(store: Store, operator: User) -> None:
    ada, ben = await join(store, ADA), await join(store, BEN)
    for user in (ada, ben):
        await store.pipelines.create("line", user)
    with pytest.raises(Conflict, match="have a pipeline called line"):
        await store.accounts.remove(ada, ben, by=operator)
    assert {each.owner_id for each in await store.pipelines.all()} == {ada.id, ben.id}


async def test_an_invitation_may_end_all_that_was_before(store: Store, operator: User) -> None:
    ada = await join(store, ADA)
    _, token = await store.users.create_authorization(ada, "laptop")
    await store.ssh_keys.add(ada, parse_public_key(ssh_public_key(KEY_OF_NOBODY), comment="laptop"))
    await store.accounts.invite(ada, by=operator)
    assert len(await store.ssh_keys.of(ada)) == 1
    assert (await store.users.by_token(token), (await store.users.password_of(ADA))[1]) == (ada, HASH)

    _, invitation = await store.accounts.invite(ada, ends_tokens=True, by=operator)
    assert (await store.users.by_token(token), (await store.users.password_of(ADA))[1]) == (None, None)
    assert await store.ssh_keys.of(ada) == []
    assert await store.accounts.redeem(invitation, HASH) == ada

    await store.accounts.invite(operator, ends_tokens=True, by=operator)
    assert await store.users.by_token(ADMIN_TOKEN) == operator  # the next start would bring it back anyway


async def test_only_so_many_apps(store: Store, operator: User) -> None:
    ada = await join(store, ADA)
    for name in ("one", "two"):
        await store.apps.create(name, ada, at_most=2)
    with pytest.raises(Conflict, match="You have 2 apps, and a user of this server may have 2"):
        await store.apps.create("three", ada, at_most=2)
    await store.apps.delete(await store.apps.find("one"))
    await store.apps.create("three", ada, at_most=2)


async def test_nobody_is_found_by_what_is_no_address(store: Store, operator: User) -> None:
    for which in ("", "%", "nobody", str(NOBODY), "~"):
        with pytest.raises(NotFound) as caught:
            await store.accounts.find(which)
        assert caught.value.resource == "user"
    assert (await store.accounts.find(str(operator.id).upper())).user == operator
    assert timedelta(days=1) < INVITATION_LIFE < timedelta(days=31)
