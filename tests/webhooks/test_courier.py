"""What arrives at a receiver, when again, and what is kept of it."""

from __future__ import annotations

import pytest

from pushd.model.webhook import Level
from pushd.store.webhook_events import WebhookEvents
from pushd.webhooks import courier
from tests.fakes import FakeClock
from tests.webhooks.conftest import Receiver, Scene


async def test_an_event_arrives_signed_and_as_heroku_sends_it(scene: Scene, receiver: Receiver) -> None:
    webhook = await scene.listen(receiver.url, authorization="Bearer t0ken")
    async with scene.courier():
        await scene.toggle()
        (message,) = await receiver.have(1)
        await scene.until("succeeded")

    (delivery,) = await scene.store.webhook_events.deliveries(scene.app)
    (event,) = await scene.store.webhook_events.of(scene.app)
    assert delivery.last_attempt
    assert message["webhook_metadata"] == {
        "attempt": {"id": str(delivery.last_attempt.id)},
        "delivery": {"id": str(delivery.id)},
        "event": {"id": str(event.id), "include": "api:app"},
        "webhook": {"id": str(webhook.id)},
    }
    assert (message["id"], message["action"], message["resource"]) == (str(event.id), "update", "app")
    assert (message["data"]["maintenance"], message["previous_data"]["maintenance"]) == (True, False)
    assert message["actor"] == {"id": str(scene.user.id), "email": "admin@localhost"}
    assert message["version"] == "application/vnd.heroku+json; version=3"
    assert receiver.headers[0]["Authorization"] == "Bearer t0ken"
    assert (delivery.last_attempt.code, delivery.num_attempts, delivery.next_attempt_at) == (204, 1, None)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]"])
async def test_nothing_is_sent_to_this_machine_or_its_network_unless_the_operator_lists_it(
    scene: Scene, receiver: Receiver, host: str
) -> None:
    await scene.listen(receiver.url.replace("127.0.0.1", host), level=Level.NOTIFY)
    async with scene.courier(send_private="10.0.0.0/8"):
        await scene.toggle()
        await scene.until("failed")

    (delivery,) = await scene.store.webhook_events.deliveries(scene.app)
    assert delivery.last_attempt
    assert (delivery.last_attempt.code, delivery.last_attempt.error) == (None, "OutOfReach")
    assert receiver.got == []


async def test_a_name_that_the_operator_lists_is_sent_to(scene: Scene, receiver: Receiver) -> None:
    await scene.listen(receiver.url.replace("127.0.0.1", "localhost"), level=Level.NOTIFY)
    async with scene.courier(send_private="localhost"):
        await scene.toggle()
        await scene.until("succeeded")

    assert len(receiver.got) == 1


async def test_what_fails_is_tried_again_later_and_later(scene: Scene, receiver: Receiver, clock: FakeClock) -> None:
    receiver.codes = [500, 302, 200]
    await scene.listen(receiver.url)
    async with scene.courier():
        await scene.toggle()
        for seconds in (2, 4):
            await scene.until("retrying")
            while clock.sleepers != 1:
                await clock.advance(0)
            arrived = len(receiver.got)
            await clock.advance(seconds - 1)
            assert len(receiver.got) == arrived
            await clock.advance(1)
            await receiver.have(arrived + 1)
            await _attempts(scene, arrived + 1)
        await scene.until("succeeded")

    assert len({message["id"] for message in receiver.got}) == 1
    assert len({message["webhook_metadata"]["attempt"]["id"] for message in receiver.got}) == 3


async def _attempts(scene: Scene, count: int) -> None:
    while (await scene.store.webhook_events.deliveries(scene.app))[0].num_attempts < count:
        pass


async def test_a_bug_of_ours_floods_nobody(
    scene: Scene, receiver: Receiver, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*what: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(WebhookEvents, "record", broken)
    await scene.listen(receiver.url)
    async with scene.courier():
        await scene.toggle()
        await receiver.have(1)
        while clock.sleepers < 2:  # the delivery, and the courier until something is due
            await clock.advance(0)
        assert len(receiver.got) == 1
        await clock.advance(5)
        await receiver.have(2)


async def test_notify_tries_once(scene: Scene, receiver: Receiver) -> None:
    receiver.codes = [500]
    await scene.listen(receiver.url, level=Level.NOTIFY)
    async with scene.courier():
        await scene.toggle()
        await scene.until("failed")

    assert len(receiver.got) == 1


async def test_nobody_there_is_told_by_the_kind_of_error_alone(scene: Scene) -> None:
    await scene.listen("http://127.0.0.1:1/secret-path", level=Level.NOTIFY)
    async with scene.courier():
        await scene.toggle()
        await scene.until("failed")

    (delivery,) = await scene.store.webhook_events.deliveries(scene.app)
    assert delivery.last_attempt
    assert (delivery.last_attempt.code, delivery.last_attempt.error) == (None, "ClientConnectorError")


async def test_what_happened_before_a_start_is_delivered_by_the_next_daemon(scene: Scene, receiver: Receiver) -> None:
    await scene.listen(receiver.url)
    for _ in range(3):
        await scene.toggle()

    async with scene.courier():
        messages = await receiver.have(3)
        await scene.until("succeeded", "succeeded", "succeeded")

    assert [message["data"]["maintenance"] for message in messages] == [True, False, True]


async def test_one_webhook_that_fails_holds_up_no_other(scene: Scene, receiver: Receiver) -> None:
    await scene.listen("http://127.0.0.1:1/")
    await scene.listen(receiver.url)
    async with scene.courier():
        await scene.toggle()
        await scene.toggle()
        await receiver.have(2)
        await scene.until("retrying", "succeeded", "retrying", "succeeded")


async def test_one_that_waits_for_its_turn_loses_nothing_of_its_time(
    scene: Scene, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "_AT_ONCE", 1)
    monkeypatch.setattr(courier, "_WITHIN_SECONDS", 1.0)
    for _ in range(2):
        await scene.listen(receiver.url, level=Level.NOTIFY)
    receiver.answers.clear()
    async with scene.courier():
        await scene.toggle()
        await scene.until("failed", "pending")
        receiver.answers.set()
        await scene.until("failed", "succeeded")


async def test_a_webhook_that_goes_takes_its_deliveries_along(scene: Scene, receiver: Receiver) -> None:
    webhook = await scene.listen(receiver.url)
    await scene.toggle()
    await scene.store.webhooks.remove(scene.app, str(webhook.id))
    await scene.listen(receiver.url, "api:build")

    async with scene.courier():
        await scene.toggle()

    assert await scene.statuses() == []
    assert receiver.got == []


@pytest.mark.parametrize("code", [200, 201, 299])
async def test_any_2xx_will_do(scene: Scene, receiver: Receiver, code: int) -> None:
    receiver.codes = [code]
    await scene.listen(receiver.url, level=Level.NOTIFY)
    async with scene.courier():
        await scene.toggle()
        await scene.until("succeeded")
