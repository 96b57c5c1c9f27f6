"""Webhooks: added, listed, changed, removed; what they were sent."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.e2e.harness import eventually
from tests.heroku.harness import Heroku


@pytest.fixture
def receiver() -> Iterator[str]:
    """A URL that takes everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hooks"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_webhook_from_its_making_to_its_end(heroku: Heroku, app: str, receiver: str) -> None:
    assert "has no webhooks" in heroku("webhooks", "-a", app)
    added = heroku("webhooks:add", "-i", "api:app,api:addon", "-l", "sync", "-u", receiver, "-s", "5ecret", "-a", app)
    assert "Webhooks Signing Secret" in added
    assert "5ecret" in added
    (webhook,) = heroku.call(f"/apps/{app}/webhooks")
    assert webhook["id"] in heroku("webhooks", "-a", app)
    assert receiver in heroku("webhooks:info", webhook["id"], "-a", app)

    heroku("webhooks:update", webhook["id"], "-i", "api:app", "-l", "notify", "-u", receiver, "-a", app)
    assert heroku.call(f"/apps/{app}/webhooks/{webhook['id']}")["level"] == "notify"
    heroku("maintenance:on", "-a", app)
    eventually(
        lambda: [each["status"] for each in heroku.call(f"/apps/{app}/webhook-deliveries")] == ["succeeded"], what="a delivery"
    )

    (delivery,) = heroku.call(f"/apps/{app}/webhook-deliveries")
    listed = heroku("webhooks:deliveries", "-a", app)
    assert [word in listed for word in (delivery["id"], "succeeded", "api:app", "notify", "200")] == [True] * 5
    assert "has no deliveries" in heroku("webhooks:deliveries", "-s", "failed", "-a", app)
    shown = heroku("webhooks:deliveries:info", delivery["id"], "-a", app)
    assert '"maintenance": true' in shown
    event = delivery["event"]["id"]
    assert event in heroku("webhooks:events", "-a", app)
    assert "maintenance" in heroku("webhooks:events:info", event, "-a", app)

    heroku("webhooks:remove", webhook["id"], "-a", app)
    assert heroku.call(f"/apps/{app}/webhooks") == []


def test_what_cannot_be_a_webhook(heroku: Heroku, app: str) -> None:
    refused = heroku.fails("webhooks:add", "-i", "api:moon", "-l", "sync", "-u", "https://example.com/", "-a", app)

    assert "There is no entity 'api:moon'" in refused.stderr
    assert (
        "must begin with http"
        in heroku.fails("webhooks:add", "-i", "api:app", "-l", "sync", "-u", "ftp://example.com/", "-a", app).stderr
    )
    assert heroku.call(f"/apps/{app}/webhooks") == []
