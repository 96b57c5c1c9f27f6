"""Calls about what an app has beside its releases, and about one's SSH keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pushd.client.calls import Calls, app_path
from pushd.client.resource import Resource
from pushd.client.shapes import AppShape, CertificateShape, CollaboratorShape, DomainShape, DrainShape, KeyShape


class BelongingCalls(Calls):
    """Each gives a list of things to show, make, change and remove."""

    def domains(self, app: str) -> Resource[DomainShape]:
        return Resource(self._transport, app_path(app, "domains"))

    def certificates(self, app: str) -> Resource[CertificateShape]:
        return Resource(self._transport, app_path(app, "sni-endpoints"))

    def collaborators(self, app: str) -> Resource[CollaboratorShape]:
        return Resource(self._transport, app_path(app, "collaborators"))

    def drains(self, app: str) -> Resource[DrainShape]:
        return Resource(self._transport, app_path(app, "log-drains"))

    @property
    def keys(self) -> Resource[KeyShape]:
        """One's own."""
        return Resource(self._transport, "/account/keys")

    def change_acm(self, app: str, method: str, body: Mapping[str, Any]) -> AppShape:
        """Automatic certificates: POST switches them on, DELETE off, PATCH tries again."""
        return cast(AppShape, self._send(method, app_path(app, "acm"), body))
