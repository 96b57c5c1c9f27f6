"""ETags: an answer that the client has already is not sent again."""

from __future__ import annotations

from hashlib import blake2b

from aiohttp import web
from aiohttp.typedefs import Handler


@web.middleware
async def conditional(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give each whole JSON answer to GET or HEAD its ETag; 304 if If-None-Match has it.

    Source: RFC 9110 sections 8.8.3 and 13.1.2.
    """
    response = await handler(request)
    if (
        request.method not in ("GET", "HEAD")
        or response.status != 200
        or not isinstance(response, web.Response)
        or not isinstance(response.body, bytes)
        or response.content_type != "application/json"
    ):
        return response
    response.headers["ETag"] = tag = f'"{blake2b(response.body, digest_size=16).hexdigest()}"'
    if not any(known.value in ("*", tag.strip('"')) for known in request.if_none_match or ()):
        return response
    return web.Response(status=304, headers={"ETag": tag})
