"""The calls about the account, its tokens, and what the server offers to everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote

from pushd.client.shapes import Account, AddonShape, AppShape, AuthorizationShape, FeatureShape, RegionShape, StackShape
from pushd.client.transport import Transport


class AccountCalls:
    """A part of `Client`."""

    _transport: Transport

    def account(self) -> Account:
        return cast(Account, self._value("GET", "/account"))

    # Tokens

    def authorizations(self) -> list[AuthorizationShape]:
        return cast(list[AuthorizationShape], self._value("GET", "/oauth/authorizations"))

    def authorization(self, which: str) -> AuthorizationShape:
        return cast(AuthorizationShape, self._value("GET", _authorization(which)))

    def create_authorization(
        self, *, description: str | None, expires_in: int | None = None, scopes: Sequence[str] = ()
    ) -> AuthorizationShape:
        """The only answer, beside that of `rotate`, that holds the whole token."""
        wanted: dict[str, object] = {"description": description, "expires_in": expires_in, "scope": list(scopes) or None}
        body = {name: value for name, value in wanted.items() if value is not None}
        return cast(AuthorizationShape, self._value("POST", "/oauth/authorizations", body))

    def describe_authorization(self, which: str, description: str) -> AuthorizationShape:
        return cast(AuthorizationShape, self._value("PATCH", _authorization(which), {"description": description}))

    def rotate_authorization(self, which: str) -> AuthorizationShape:
        return cast(AuthorizationShape, self._value("POST", f"{_authorization(which)}/actions/regenerate-tokens"))

    def revoke_authorization(self, which: str) -> AuthorizationShape:
        return cast(AuthorizationShape, self._value("DELETE", _authorization(which)))

    # Features, stacks, regions, add-ons

    def features(self, app: str) -> list[FeatureShape]:
        return cast(list[FeatureShape], self._value("GET", f"{_app(app)}/features"))

    def feature(self, app: str, name: str) -> FeatureShape:
        return cast(FeatureShape, self._value("GET", f"{_app(app)}/features/{quote(name, safe='')}"))

    def switch_feature(self, app: str, name: str, enabled: bool) -> FeatureShape:
        return cast(FeatureShape, self._value("PATCH", f"{_app(app)}/features/{quote(name, safe='')}", {"enabled": enabled}))

    def regions(self) -> list[RegionShape]:
        return cast(list[RegionShape], self._value("GET", "/regions"))

    def stacks(self) -> list[StackShape]:
        return cast(list[StackShape], self._value("GET", "/stacks"))

    def set_stack(self, app: str, stack: str) -> AppShape:
        return cast(AppShape, self._value("PATCH", _app(app), {"build_stack": stack}))

    def addons(self, app: str | None) -> list[AddonShape]:
        """Those of an app; None: of all apps."""
        return cast(list[AddonShape], self._value("GET", "/addons" if app is None else f"{_app(app)}/addons"))

    def _value(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        return self._transport.call(method, path, body=body).value


def _authorization(which: str) -> str:
    return f"/oauth/authorizations/{quote(which, safe='')}"


def _app(app: str) -> str:
    return f"/apps/{quote(app, safe='')}"
