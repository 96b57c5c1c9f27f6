"""A real push is told to a real receiver, whatever happens to either in between."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import signal
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.e2e.harness import NEIGHBOURS, Project, Server, eventually, running

SECRET = "5ecret"


class Receiver:
    """Keeps what arrives, by its include and action; answers with `codes` in turn, the last one for ever."""

    def __init__(self) -> None:
        self.codes = [200]
        self.got: list[dict[str, Any]] = []
        self.unsigned = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                signature = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()
                receiver.unsigned += signature != self.headers["Heroku-Webhook-Hmac-SHA256"]
                receiver.got.append(json.loads(body))
                self.send_response(receiver.codes.pop(0) if len(receiver.codes) > 1 else receiver.codes[0])
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hooks"

    def told(self) -> list[str]:
        """`api:release create pending`, each event once."""
        seen = {message["sequence"]: message for message in self.got}
        return [
            f"{message['webhook_metadata']['event']['include']} {message['action']} {message['data'].get('status')}"
            for _, message in sorted(seen.items())
        ]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def listen(server: Server, app: str, url: str) -> None:
    body = {"include": ["api:release", "api:build"], "level": "sync", "url": url, "secret": SECRET}
    assert server.call("POST", f"/apps/{app}/webhooks", body)[0] == 201


PUSH = [
    "api:build create pending",
    "api:release create pending",
    "api:release update succeeded",
    "api:build update succeeded",
]


def test_a_push_is_told_step_by_step_and_a_failure_is_tried_again(project: Project, receiver: Receiver) -> None:
    listen(project.server, project.app, receiver.url)
    receiver.codes = [500, 200]

    project.deploy()

    eventually(lambda: len(receiver.told()) == 4 and len(receiver.got) == 5, what="four events, one of them twice")
    assert receiver.told() == PUSH
    assert receiver.unsigned == 0
    assert receiver.got[0]["id"] in [message["id"] for message in receiver.got[1:]]
    release = next(each for each in receiver.got if each["resource"] == "release" and each["action"] == "update")
    assert (release["data"]["version"], release["data"]["current"]) == (2, True)

    def ended() -> bool:
        _, deliveries = project.server.call("GET", f"/apps/{project.app}/webhook-deliveries")
        return [each["status"] for each in deliveries] == ["succeeded"] * 4

    eventually(ended, what="the deliveries' end")


def test_a_daemon_that_is_killed_forgets_no_delivery(tmp_path: Path, receiver: Receiver) -> None:
    receiver.codes = [503]
    with running(Server(tmp_path / "data", tmp_path / "home", flags=NEIGHBOURS)) as server:
        project = server.project(tmp_path / "shop", "shop")
        listen(server, "shop", receiver.url)
        project.deploy()
        eventually(lambda: len(receiver.got) >= 1, what="a first attempt")
        server.stop(signal.SIGKILL)

        receiver.codes = [200]
        receiver.got.clear()
        server.start()
        eventually(lambda: len(receiver.told()) == 4, what="all that was told before")

    assert receiver.told() == PUSH
    assert receiver.unsigned == 0
