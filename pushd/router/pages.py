"""What a visitor sees when the app itself does not answer: one small HTML page per meaning, nothing loaded from elsewhere."""

from __future__ import annotations

import time
from functools import lru_cache
from html import escape

from pushd.router.codes import Code, hint

REASONS = {
    400: b"Bad Request", 404: b"Not Found", 408: b"Request Timeout", 417: b"Expectation Failed",
    502: b"Bad Gateway", 503: b"Service Unavailable",
}  # fmt: skip
RETRY_AFTER_SECONDS = {"H80": 60, "H20": 5}

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 18vh auto 0; padding: 0 1.5rem; color: #223; }}
h1 {{ font-size: 1.6rem; }} small {{ color: #778; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #181a20; color: #dde; }} }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{text}</p>
{rest}</body>
</html>
"""


@lru_cache(maxsize=64)
def page(code: Code) -> bytes:
    """The plain page of a code, UTF-8."""
    rest = "".join(f"<p><small>{escape(line)}</small></p>\n" for line in (hint(code), code.id and f"Code: {code.id}") if line)
    return _PAGE.format(title=escape(code.title), text=escape(code.text), rest=rest).encode()


def answer(code: Code, status: int, *, own: str = "", head_only: bool = False, keep_alive: bool = False) -> tuple[bytes, int]:
    """A whole HTTP response, and how many bytes of it are body; `own` is the app's page and replaces ours."""
    body = own.encode() if own else page(code)
    retry = RETRY_AFTER_SECONDS.get(code.id)
    lines = (
        b"HTTP/1.1 %d %b\r\n" % (status, REASONS[status]),
        time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT\r\n", time.gmtime()).encode(),
        b"Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\nVia: 1.1 pushd\r\n",
        b"Retry-After: %d\r\n" % retry if retry else b"",
        b"Content-Length: %d\r\n" % len(body),
        b"Connection: keep-alive\r\n\r\n" if keep_alive else b"Connection: close\r\n\r\n",
    )
    return b"".join(lines) + (b"" if head_only else body), 0 if head_only else len(body)
