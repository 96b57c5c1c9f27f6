"""The calls about the account, its tokens, and what the server offers to everybody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast
from urllib.parse import quote

from pushd.client.calls import Calls, app_path
from pushd.client.shapes import Account, AddonShape, AppShape, AuthorizationShape, FeatureShape, RegionShape, StackShape


class AccountCalls(Calls):
    """Part of `Client`."""

    def account(self) -> Account:
        return cast(Account, self._send("GET", "/account"))

    # Tokens

    def authorizations(self) -> list[AuthorizationShape]:
        return cast(list[AuthorizationShape], self._list("/oauth/authorizations"))

    def authorization(self, which: str) -> AuthorizationShape:
        return cast(AuthorizationShape, self._send("GET", _authorization(which)))

    def create_authorization(
        self,
        *,
        description: str | None,
        expires_in: int | None = None,
        scopes: Sequence[str] = (),
        app: str | None = None,
    ) -> AuthorizationShape:
        """The only answer, beside that of `rotate`, that holds the whole token."""
        wanted: dict[str, object] = {"description": description, "expires_in": expires_in, "scope": list(scopes) or None}
        wanted["app"] = app
        body = {name: value for name, value in wanted.items() if value is not None}
        return cast(AuthorizationShape, self._send("POST", "/oauth/authorizations", body))

    def describe_authorization(self, which: str, description: str) -> AuthorizationShape:
        return cast(AuthorizationShape, self._send("PATCH", _authorization(which), {"description": description}))

    def rotate_authorization(self, which: str) -> AuthorizationShape:
        return cast(AuthorizationShape, self._send("POST", f"{_authorization(which)}/actions/regenerate-tokens"))

    def revoke_authorization(self, which: str) -> AuthorizationShape:
        return cast(AuthorizationShape, self._send("DELETE", _authorization(which)))

    # Features, stacks, regions, add-ons

    def features(self, app: str) -> list[FeatureShape]:
        return cast(list[FeatureShape], self._list(app_path(app, "features")))

    def feature(self, app: str, name: str) -> FeatureShape:
        return cast(FeatureShape, self._send("GET", app_path(app, "features", name)))

    def switch_feature(self, app: str, name: str, enabled: bool) -> FeatureShape:
        return cast(FeatureShape, self._send("PATCH", app_path(app, "features", name), {"enabled": enabled}))

    def regions(self) -> list[RegionShape]:
        return cast(list[RegionShape], self._list("/regions"))

    def stacks(self) -> list[StackShape]:
        return cast(list[StackShape], self._list("/stacks"))

    def set_stack(self, app: str, stack: str) -> AppShape:
        return cast(AppShape, self._send("PATCH", app_path(app), {"build_stack": stack}))

    def addons(self, app: str | None) -> list[AddonShape]:
        """Those of an app; None: of all apps."""
        return cast(list[AddonShape], self._list("/addons" if app is None else app_path(app, "addons")))


def _authorization(which: str) -> str:
    return f"/oauth/authorizations/{quote(which, safe='')}"
