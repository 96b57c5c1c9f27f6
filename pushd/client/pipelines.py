"""Calls about pipelines, promotions and webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypedDict, cast
from urllib.parse import quote

from pushd.client.calls import Calls, app_path
from pushd.client.resource import Resource
from pushd.client.shapes import AppShape, Named, UserShape
from pushd.errors import NotFound


class PipelineShape(TypedDict):
    id: str
    name: str
    created_at: str


class Ref(TypedDict):
    id: str


class CouplingShape(TypedDict):
    id: str
    app: Ref
    pipeline: Named
    stage: str


class TargetShape(TypedDict):
    id: str
    app: Ref
    release: Ref | None
    status: str  # pending, succeeded, failed
    error_message: str | None


class WebhookShape(TypedDict):
    id: str
    url: str
    include: list[str]
    level: str


class EventRef(TypedDict):
    id: str
    include: str


class WebhookRef(TypedDict):
    id: str
    level: str


class AttemptShape(TypedDict):
    code: int | None
    error_class: str | None


class DeliveryShape(TypedDict):
    id: str
    event: EventRef
    webhook: WebhookRef
    status: str
    num_attempts: int
    next_attempt_at: str | None
    last_attempt: AttemptShape | None
    created_at: str


class PayloadShape(TypedDict):
    resource: str
    action: str
    published_at: str
    actor: UserShape


class EventShape(TypedDict):
    id: str
    payload: PayloadShape


class Stationed(NamedTuple):
    """An app and its stage in a pipeline."""

    app: AppShape
    stage: str


class PipelineCalls(Calls):
    """Part of `Client`."""

    @property
    def pipelines(self) -> Resource[PipelineShape]:
        return Resource(self._transport, "/pipelines")

    @property
    def couplings(self) -> Resource[CouplingShape]:
        return Resource(self._transport, "/pipeline-couplings")

    def coupling(self, app: str) -> CouplingShape:
        """The app's place. Raises: NotFound for one in no pipeline."""
        try:
            return cast(CouplingShape, self._get(app_path(app, "pipeline-couplings")))
        except NotFound as error:
            if error.resource != "pipeline_coupling":
                raise
            raise NotFound(
                f"{app} is in no pipeline.", resource=error.resource,
                remedy=f"Put it into one: pushd pipelines:add PIPELINE --app {app} --stage staging",
            ) from None  # fmt: skip

    def maybe_coupling(self, app: str) -> CouplingShape | None:
        """The same; None for an app in no pipeline."""
        try:
            return self.coupling(app)
        except NotFound as error:
            if error.resource != "pipeline_coupling":
                raise
            return None

    def pipeline_apps(self, pipeline_id: str) -> list[Stationed]:
        """By name."""
        stages = {
            each["app"]["id"]: each["stage"] for each in self._list(f"/pipelines/{quote(pipeline_id)}/pipeline-couplings")
        }
        apps = cast(list[AppShape], self._send("POST", "/filters/apps", {"in": {"id": list(stages)}}))
        return sorted((Stationed(app, stages[app["id"]]) for app in apps), key=lambda each: each.app["name"])

    def promote(self, pipeline_id: str, source_id: str, target_ids: list[str]) -> str:
        """Begin it; gives the promotion's id."""
        body = {
            "pipeline": {"id": pipeline_id},
            "source": {"app": {"id": source_id}},
            "targets": [{"app": {"id": each}} for each in target_ids],
        }
        return cast(str, self._send("POST", "/pipeline-promotions", body)["id"])

    def promotion_targets(self, promotion_id: str) -> list[TargetShape]:
        """How each fares; a daemon that restarts meanwhile is asked again."""
        path = f"/pipeline-promotions/{quote(promotion_id)}/promotion-targets"
        return cast(list[TargetShape], self._patiently(lambda: self._list(path)))

    def pause(self, seconds: float) -> None:
        """Wait before asking again."""
        self._sleep(seconds)

    # Webhooks

    def webhooks(self, app: str) -> Resource[WebhookShape]:
        return Resource(self._transport, app_path(app, "webhooks"))

    def add_webhook(self, app: str, body: Mapping[str, Any]) -> tuple[WebhookShape, str | None]:
        """The new webhook, and its secret, which is told this once."""
        answer = self._transport.call("POST", app_path(app, "webhooks"), body=body)
        return cast(WebhookShape, answer.value), answer.headers.get("heroku-webhook-secret")

    def webhook_deliveries(self, app: str, status: str | None = None) -> Resource[DeliveryShape]:
        wanted = f"?eq[status]={quote(status, safe='')}" if status else ""
        return Resource(self._transport, app_path(app, "webhook-deliveries") + wanted)

    def webhook_events(self, app: str) -> Resource[EventShape]:
        return Resource(self._transport, app_path(app, "webhook-events"))
