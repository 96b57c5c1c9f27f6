"""Every way a request can end without the app's own answer: Heroku's code, status, level and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

INFO, WARNING, ERROR = "info", "warning", "error"


@dataclass(frozen=True, slots=True)
class Code:
    """`desc` is for the log line, `title` and `text` for the page. `of_app`: the app's own error page may stand in."""

    id: str
    status: int
    level: str
    desc: str
    title: str
    text: str
    of_app: bool = True


_BROKEN = "Something went wrong in this application, and it could not answer. Please try again in a moment."
_OWNER = "If this is your application, its log says more: pushd logs"

CODES: Mapping[str, Code] = MappingProxyType({
    code.id: code
    for code in (
        Code("H10", 503, ERROR, "App crashed", "Application crashed", _BROKEN),
        Code("H11", 503, ERROR, "Backlog too deep", "Application is busy",
             "Too many requests wait for this application. Please try again in a moment."),
        Code("H12", 503, ERROR, "Request timeout", "Application did not answer in time",
             "The application took too long to answer this request."),
        Code("H13", 503, ERROR, "Connection closed without response", "Application closed the connection", _BROKEN),
        Code("H14", 503, ERROR, "No web processes running", "Application is not running",
             "No web process of this application is running. Its owner can start one: pushd ps:scale web=1"),
        Code("H15", 503, ERROR, "Idle connection", "Application fell silent", _BROKEN),
        Code("H17", 503, ERROR, "Poorly formatted HTTP response", "Application gave an unreadable answer", _BROKEN),
        Code("H18", 503, ERROR, "Server Request Interrupted", "Application broke off", _BROKEN),
        Code("H19", 503, ERROR, "Backend connection timeout", "Application could not be reached", _BROKEN),
        Code("H20", 503, ERROR, "App boot timeout", "Application did not start in time",
             "The application is starting, and it takes longer than we can wait. Please try again in a moment."),
        Code("H21", 503, ERROR, "Backend connection refused", "Application refused the connection", _BROKEN),
        Code("H25", 502, ERROR, "HTTP Restriction", "Application gave an answer that is too large",
             "The head of the application's answer is larger than we pass on."),
        Code("H26", 400, ERROR, "Request Error", "Bad request", "This request cannot be read or is not allowed.", False),
        Code("H27", 499, WARNING, "Client Request Interrupted", "Client went away", "", False),
        Code("H28", 499, WARNING, "Client Connection Idle", "Client fell silent", "", False),
        Code("H34", 503, ERROR, "Request Queue Timeout", "Application could not be reached", _BROKEN),
        Code("H80", 503, INFO, "Maintenance mode", "We will be back",
             "This application is down for maintenance. Please come back in a little while.", False),
        Code("H81", 503, INFO, "Blank app", "Nothing here yet",
             "This application exists, but nothing was pushed to it. Push it: git push pushd master", False),
        Code("H99", 503, ERROR, "Platform error", "Platform error",
             "This is a fault of the platform, not of the application. Please try again in a moment."),
    )
})  # fmt: skip

NO_SUCH_APP = Code(
    "", 404, INFO, "No such app", "There is no application at this address",
    "No application answers to this host name. Check its spelling, or see what there is: pushd apps", of_app=False,
)  # fmt: skip


def hint(code: Code) -> str:
    """A last line for the app's owner; empty where the text already says what to do."""
    return _OWNER if code.of_app and code.status >= 500 else ""
