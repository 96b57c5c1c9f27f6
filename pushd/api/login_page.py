"""The pages of a login in the browser: text, one form, nothing from elsewhere, nothing kept."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from pushd.access.logins import Login
from pushd.errors import PushdError
from pushd.model.user import User

_STYLE = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:14vh auto 0;padding:0 1.5rem;color:#223}"
    "h1{font-size:1.6rem}small{color:#667}input{font:inherit;width:100%;box-sizing:border-box;padding:.4rem}"
    "button{font:inherit;margin-top:1rem;padding:.4rem 1.4rem}.refused{color:#b00}"
    "@media(prefers-color-scheme:dark){body{background:#181a20;color:#dde}.refused{color:#f77}}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def page_of_form(login: Login, refused: str = "") -> str:
    """Who asks, from where, and fields for an address and a password, or for a token."""
    told = f'<p class="refused" role="alert">{escape(refused)}</p>\n' if refused else ""
    return _page(
        "Log in",
        f"<p>{escape(login.description)} (from {escape(login.asked_from)})</p>\n"
        "<p>Go on only if you have just begun this yourself: whoever did gets a token of yours, valid for 30 days.</p>\n"
        f'{told}<form method="post">\n'
        '<label for="email">Your e-mail address, if you have a password</label>\n'
        '<input id="email" name="email" type="email" autocomplete="username" autofocus>\n'
        '<label for="token">Your password, or an API token of yours</label>\n'
        '<input id="token" name="token" type="password" autocomplete="current-password" required>\n'
        "<p><small>The operator's token stands in admin.token of the server's data folder.</small></p>\n"
        "<button>Log in</button>\n</form>",
    )


def page_of_done(login: Login, user: User) -> str:
    """It is done."""
    return _page("Logged in", f"<p>{escape(login.description)} goes on as {escape(user.email)}. You may close this page.</p>")


def page_of_over(error: PushdError) -> str:
    """There is no such login (any more)."""
    return _page("Nothing to log in", f"<p>{escape(error.message)}</p>\n<p>{escape(error.remedy)}</p>")


def _page(title: str, body: str) -> str:
    return _PAGE.format(title=title, style=_STYLE, body=body)
