"""`pushd`, with one more middleware in its API: each JSON answer is also written to a file, for `Answers` of the harness.

python -P tests/recorded_daemon.py FILE serve ...
"""

from __future__ import annotations

import json
import sys
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from pushd import daemon
from pushd.cli.entry import main


def record_to(path: str) -> None:
    """Make the daemon's application with our middleware as the outermost."""
    make_application = daemon.make_application
    file = open(path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115  # as long as the process lasts

    @web.middleware
    async def recorded(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if isinstance(response, web.Response) and response.content_type == "application/json" and request.method != "HEAD":
            answer = [request.method, request.rel_url.raw_path, response.status, json.loads(response.text or "null")]
            file.write(json.dumps(answer) + "\n")
        return response

    async def make_recorded(**parts: Any) -> web.Application:
        application = await make_application(**parts)
        application.middlewares.insert(0, recorded)
        return application

    daemon.make_application = make_recorded  # type: ignore[assignment]


if __name__ == "__main__":
    record_to(sys.argv.pop(1))
    sys.exit(main())
