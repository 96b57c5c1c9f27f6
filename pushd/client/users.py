"""The calls about who has an account on the server, for its admins; and those with which one's own begins."""

from __future__ import annotations

import base64
from typing import cast
from urllib.parse import quote

from pushd.client.calls import Calls
from pushd.client.shapes import AuthorizationShape, UserShape, UserWithInvitation


class UserCalls(Calls):
    """Part of `Client`."""

    def users(self) -> list[UserWithInvitation]:
        return cast(list[UserWithInvitation], self._list("/-/users"))

    def add_user(self, email: str, *, admin: bool) -> UserWithInvitation:
        """The only answer, beside that of `invite_user`, that holds the text of the invitation."""
        return cast(UserWithInvitation, self._send("POST", "/-/users", {"email": email, "admin": admin}))

    def invite_user(self, email: str, *, end_tokens: bool) -> UserWithInvitation:
        return cast(UserWithInvitation, self._send("POST", f"{_user(email)}/invitations", {"end_tokens": end_tokens}))

    def make_admin(self, email: str, on: bool) -> UserWithInvitation:
        return cast(UserWithInvitation, self._send("PATCH", _user(email), {"admin": on}))

    def remove_user(self, email: str, *, apps_to: str | None) -> UserWithInvitation:
        heir = "" if apps_to is None else f"?apps_to={quote(apps_to, safe='')}"
        return cast(UserWithInvitation, self._send("DELETE", _user(email) + heir))

    # One's own

    def use_invitation(self, invitation: str, password: str) -> UserShape:
        """Set the password of the account that one was invited to; needs no token."""
        path = f"/password-resets/{quote(invitation, safe='')}/actions/finalize"
        answer = self._send("POST", path, {"password": password, "password_confirmation": password})
        return cast(UserShape, answer["user"])

    def log_in(self, email: str, password: str, *, description: str, expires_in: int) -> AuthorizationShape:
        """A new token for one's password (or another token)."""
        said = base64.b64encode(f"{email}:{password}".encode()).decode()
        answer = self._transport.call(
            "POST",
            "/oauth/authorizations",
            body={"description": description, "expires_in": expires_in, "scope": ["global"]},
            headers={"Authorization": f"Basic {said}"},
        )
        return cast(AuthorizationShape, answer.value)

    def change_password(self, new: str, *, current: str | None) -> None:
        """`current`: the one that holds; None if there is none yet."""
        known = {} if current is None else {"password": current}
        self._send("PATCH", "/account", {"new_password": new, **known})


def _user(email: str) -> str:
    return f"/-/users/{quote(email, safe='')}"
