"""The one place that makes HTTP of errors: {"id", "message"} as the Platform API has it, and plain text for git."""

from __future__ import annotations

import logging
import re
from uuid import uuid4

from aiohttp import web
from aiohttp.typedefs import Handler

from pushd.errors import BadRequest, NotFound, PushdError, TooLarge, TooManyRequests, Unauthorized

log = logging.getLogger(__name__)

NO_ENDPOINT = "The requested API endpoint was not found."
REQUEST_ID = web.RequestKey("request_id", str)
_API_REALM = 'Bearer realm="pushd"'  # RFC 9110 section 11.6.1: a 401 names a challenge; Basic would open browser dialogues
_GIT_REALM = 'Basic realm="pushd", charset="UTF-8"'  # the one that git answers
_HEROKU_CLI = "heroku-cli/"  # how its User-Agent begins
_OUR_COMMAND = re.compile(r"`pushd (?P<topic>[a-z-]+)")
_OURS_ALONE = frozenset({"builds", "serve", "settings"})  # topics that the Heroku CLI lacks


def problem_json(error: PushdError) -> dict[str, str]:
    """What a client is told: the remedy is the message's second line, which the Heroku CLI prints as it is."""
    body = {"id": error.id, "message": error.text}
    if isinstance(error, NotFound) and error.resource:
        body["resource"] = error.resource
    return body


def answer_of(error: PushdError, request: web.Request) -> web.Response:
    """The response to a request that was refused."""
    body = problem_json(error)
    if request.headers.get("User-Agent", "").startswith(_HEROKU_CLI):
        body["message"] = in_words_of_heroku(body["message"])
    response = web.json_response(body, status=error.status)
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = _API_REALM
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def in_words_of_heroku(text: str) -> str:
    """Name commands as a user of the Heroku CLI can type them: in most shells a bare `pushd` is the shell's own."""
    return _OUR_COMMAND.sub(lambda found: f"`{_program_for(found['topic'])} {found['topic']}", text)


def _program_for(topic: str) -> str:
    return "git pushd" if topic in _OURS_ALONE else "heroku"


def answer_to_git(error: PushdError) -> web.Response:
    """The same for git, which shows plain text to the person as `remote:` lines."""
    response = web.Response(text=f"{error.text}\n", status=error.status, headers={"Cache-Control": "no-cache"})
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = _GIT_REALM
    return response


class InternalError(PushdError):
    """A bug of ours, as a client may see it: no detail, and where to look."""

    id, status = "internal_server_error", 500

    def __init__(self) -> None:
        super().__init__(
            "Internal server error.", remedy="The daemon's own log says more; the Request-Id of this answer stands there too."
        )


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id; answer every failure as JSON. A bug keeps its traceback in the daemon's own log only."""
    request[REQUEST_ID] = str(uuid4())
    try:
        return await handler(request)
    except PushdError as error:
        return answer_of(error, request)
    except web.HTTPRequestEntityTooLarge:
        return answer_of(TooLarge("The body is too large.", remedy="Send less at once."), request)
    except web.RequestPayloadError:  # chunks or gzip that cannot be read
        return answer_of(BadRequest("The body of this request is broken.", remedy="Send it again, whole."), request)
    except web.HTTPException:
        if request.match_info.http_exception is None:
            raise  # a handler's own answer
        return answer_of(NotFound(NO_ENDPOINT), request)
    except ConnectionResetError:
        raise  # the client is gone; there is nobody to answer
    except Exception:
        log.exception("request failed", extra={"route": route_of(request), "request_id": request[REQUEST_ID]})
        return answer_of(InternalError(), request)


def route_of(request: web.Request) -> str:
    """Method and path as the table of routes has them: the real path may be a secret."""
    resource = request.match_info.route.resource
    return f"{request.method} {'?' if resource is None else resource.canonical}"
