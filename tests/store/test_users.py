from __future__ import annotations

from datetime import timedelta

import pytest

from pushd.errors import Conflict, NotFound
from pushd.model.user import Scope, User
from pushd.store.store import Store
from pushd.store.users import new_token
from tests.fakes import FakeClock
from tests.store.conftest import ADMIN_TOKEN
from tests.store.makes import NOBODY


async def test_there_is_no_operator_before_the_first_start(store: Store) -> None:
    with pytest.raises(NotFound, match="no operator yet"):
        await store.users.operator()


async def test_every_start_may_make_the_operator(store: Store, operator: User) -> None:
    again = await store.users.create_operator("admin@localhost", ADMIN_TOKEN)

    assert again == operator == await store.users.operator() == await store.users.by_token(ADMIN_TOKEN)
    assert len(await store.users.authorizations(operator)) == 1


async def test_a_new_domain_changes_the_address_and_keeps_the_user(store: Store, operator: User) -> None:
    moved = await store.users.create_operator("admin@example.com", ADMIN_TOKEN)

    assert (moved.id, moved.email) == (operator.id, "admin@example.com")
    assert await store.users.maybe_by_email("Admin@Example.com") == moved
    assert await store.users.maybe_by_email("admin@localhost") is None


async def test_a_new_admin_token_ends_the_old_one_and_no_other(store: Store, operator: User) -> None:
    _, laptop = await store.users.create_authorization(operator, "laptop")

    await store.users.create_operator("admin@localhost", "pushd-another-token")

    assert await store.users.by_token(ADMIN_TOKEN) is None
    assert await store.users.by_token("pushd-another-token") == operator
    assert await store.users.by_token(laptop) == operator


@pytest.mark.parametrize("token", ["", "x", ADMIN_TOKEN[:-1], ADMIN_TOKEN + "0", ADMIN_TOKEN.upper(), "\udcff", "' OR 1 --"])
async def test_an_unknown_token_is_nobodys(store: Store, operator: User, token: str) -> None:
    assert await store.users.by_token(token) is None


async def test_an_authorization_lives_until_it_expires(store: Store, operator: User, clock: FakeClock) -> None:
    made, token = await store.users.create_authorization(operator, "ci", clock.now() + timedelta(hours=1))
    clock.tick(3599)
    assert await store.users.by_token(token) == operator
    assert await store.users.find_authorization(operator, str(made.id)) == made

    clock.tick(1)

    assert await store.users.by_token(token) is None
    assert made in await store.users.authorizations(operator)  # still listed, so that it can be told and revoked


async def test_what_expired_long_ago_is_forgotten(store: Store, operator: User, clock: FakeClock) -> None:
    old, _ = await store.users.create_authorization(operator, "old", clock.now() + timedelta(hours=1))
    clock.tick(29 * 86400)
    await store.users.create_authorization(operator, "new")
    assert old in await store.users.authorizations(operator)
    clock.tick(2 * 86400)
    await store.users.create_authorization(operator, "newer")

    assert [each.description for each in await store.users.authorizations(operator)] == ["admin.token", "new", "newer"]


async def test_a_revoked_token_is_nobodys(store: Store, operator: User) -> None:
    made, token = await store.users.create_authorization(operator, "laptop")

    assert await store.users.revoke(made.id) == made

    assert await store.users.by_token(token) is None
    with pytest.raises(NotFound) as caught:
        await store.users.revoke(made.id)
    assert caught.value.resource == "authorization"


@pytest.mark.parametrize("unknown", ["", "not an id", str(NOBODY)])
async def test_an_unknown_authorization_is_not_found(store: Store, operator: User, unknown: str) -> None:
    with pytest.raises(NotFound):
        await store.users.find_authorization(operator, unknown)


async def test_the_token_of_the_file_stays(store: Store, operator: User) -> None:
    own = await store.users.find_authorization(operator, "~")
    assert own.description == "admin.token"

    for change in (store.users.revoke(own.id), store.users.rotate(operator, str(own.id))):
        with pytest.raises(Conflict, match=r"admin\.token"):
            await change

    assert await store.users.by_token(ADMIN_TOKEN) == operator


async def test_a_token_reaches_as_far_as_it_was_made_to(store: Store, operator: User) -> None:
    scopes = frozenset({Scope.READ, Scope.WRITE})
    made, token = await store.users.create_authorization(operator, "ci", scopes=scopes)

    user = await store.users.by_token(token)
    assert user
    assert (user.id, user.scopes) == (operator.id, scopes)
    assert (await store.users.find_authorization(operator, made.id)).scopes == scopes
    assert (await store.users.rename(user, "Ada")).scopes == scopes


async def test_a_rotated_token_is_another_of_the_same_authorization(store: Store, operator: User, clock: FakeClock) -> None:
    made, old = await store.users.create_authorization(operator, "ci")
    clock.tick(1)

    changed, new = await store.users.rotate(operator, str(made.id))

    assert (changed.id, changed.created_at, changed.updated_at) == (made.id, made.created_at, clock.now())
    assert await store.users.by_token(old) is None
    assert await store.users.by_token(new) == operator


async def test_the_token_itself_is_given_once(store: Store, operator: User) -> None:
    made, token = await store.users.create_authorization(operator, "laptop")

    assert token.startswith("pushd-")
    assert token not in repr(await store.users.authorizations(operator))
    prefix, suffix = made.token_hint.split("**********")
    assert token.startswith(prefix)
    assert token.endswith(suffix)


def test_tokens_are_long_and_never_alike() -> None:
    tokens = {new_token() for _ in range(100)}

    assert len(tokens) == 100
    assert all(len(token) == len("pushd-") + 43 for token in tokens)  # 256 bits


async def test_a_token_of_one_app_ends_with_it(store: Store, operator: User) -> None:
    app = await store.apps.create("blog", operator)
    made, token = await store.users.create_authorization(operator, "ci", scopes=frozenset({Scope.DEPLOY}), app=app)
    assert (made.app_id, made.app_name) == (app.id, "blog")
    assert await store.users.find_authorization(operator, made.id) == made
    user = await store.users.by_token(token)
    assert user
    assert (user.only_app_id, user.scopes) == (app.id, {Scope.DEPLOY})
    await store.apps.rename(app, "weblog")
    assert (await store.users.describe_authorization(operator, str(made.id), "deploys")).app_name == "weblog"

    await store.apps.delete(app)

    assert await store.users.by_token(token) is None
    assert made.id not in {each.id for each in await store.users.authorizations(operator)}
    with pytest.raises(NotFound, match="find that app"):
        await store.users.create_authorization(operator, "late", app=app)


async def test_the_operator_keeps_its_address_if_somebody_has_the_new_one(store: Store, operator: User) -> None:
    app = await store.apps.create("blog", operator)
    await store.collaborators.add(app, "admin@example.com", by=operator)

    assert (await store.users.create_operator("admin@example.com", ADMIN_TOKEN)).email == operator.email
