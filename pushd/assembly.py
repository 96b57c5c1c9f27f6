"""How the parts are put together: the rooms, and the story that tells them in which order to work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pushd.api.certificate import Certificate, GivenCertificate, Served
from pushd.builder.builder import Builder
from pushd.builder.soundness import Shelf
from pushd.confinement import Confinement
from pushd.deploy import Deploys
from pushd.endpoints import web_url
from pushd.kit.addresses import is_host, own_names
from pushd.kit.aio import Nursery
from pushd.kit.clock import Clock
from pushd.kit.door import EVERYWHERE
from pushd.kit.listen import parse_address
from pushd.layout import Layout
from pushd.logplex.logplex import Logplex
from pushd.receiver.repositories import Repositories
from pushd.releaser.phase import ReleasePhase
from pushd.releaser.releaser import Releaser
from pushd.resume import Resume
from pushd.router.control import Router
from pushd.runner.runner import Runner
from pushd.settings import Settings, SettingsError
from pushd.store.store import Store
from pushd.story.apps import Apps
from pushd.story.belongings import Belongings
from pushd.story.changes import Changes
from pushd.story.disk import DiskReserve
from pushd.story.disk_usage import DiskUsage
from pushd.story.dynos import Dynos
from pushd.story.golive import GoLive
from pushd.story.outputs import Outputs
from pushd.story.promotions import Promotions
from pushd.story.retention import Kept, Retention
from pushd.story.runs import Runs
from pushd.story.slug_uploads import SlugUploads
from pushd.story.soundness import Soundness
from pushd.story.source_builds import SourceBuilds
from pushd.story.stops import BuildStops
from pushd.story.turns import BootTurns, BuildSlots
from pushd.story.uploads import Uploads
from pushd.story.verdicts import Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """Who does the work; none knows another but through what it was given."""

    settings: Settings
    layout: Layout
    clock: Clock
    store: Store
    logplex: Logplex
    nursery: Nursery
    router: Router
    runner: Runner
    builder: Builder
    disk: DiskReserve
    outputs: Outputs
    uploads: Uploads
    repositories: Repositories
    confinement: Confinement


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What tells the rooms in which order to work."""

    deploys: Deploys
    dynos: Dynos
    source_builds: SourceBuilds
    slug_uploads: SlugUploads
    apps: Apps
    belongings: Belongings
    promotions: Promotions
    runs: Runs
    disk_usage: DiskUsage
    soundness: Soundness
    resume: Resume
    retention: Retention


def build_story(rooms: Rooms) -> Story:
    """Deploys, and all that enters the same story later on."""
    settings = rooms.settings
    turns, stops = BootTurns(), BuildStops()
    verdicts = Verdicts(rooms.nursery, rooms.clock)
    changes = Changes(rooms.store, verdicts, rooms.nursery)
    releaser = Releaser(rooms.store, domain=settings.domain)
    phase = ReleasePhase(rooms.store, rooms.runner, rooms.outputs, timeout_seconds=settings.release_phase_timeout_seconds)
    live = GoLive(
        store=rooms.store,
        releaser=releaser,
        phase=phase,
        runner=rooms.runner,
        router=rooms.router,
        app_log=rooms.logplex,
        turns=turns,
        verdicts=verdicts,
    )
    retention = Retention(
        store=rooms.store,
        builder=rooms.builder,
        outputs=rooms.outputs,
        live=live,
        kept=Kept(
            slugs=settings.slugs_kept,
            slugs_bytes=settings.slugs_kept_bytes,
            builds=settings.builds_kept,
            releases=settings.releases_kept,
            outputs_bytes=settings.outputs_kept_bytes,
        ),
    )
    deploys = Deploys(
        store=rooms.store,
        builder=rooms.builder,
        releaser=releaser,
        live=live,
        retention=retention,
        changes=changes,
        runner=rooms.runner,
        app_log=rooms.logplex,
        outputs=rooms.outputs,
        disk=rooms.disk,
        verdicts=verdicts,
        stops=stops,
        slots=BuildSlots(settings.builds_at_once),
        nursery=rooms.nursery,
        address_of=lambda app: web_url(app.name, settings.domain, rooms.router.url),
    )
    dynos = Dynos(
        store=rooms.store,
        live=live,
        changes=changes,
        runner=rooms.runner,
        app_log=rooms.logplex,
        disk=rooms.disk,
        nursery=rooms.nursery,
    )
    apps = Apps(
        store=rooms.store,
        layout=rooms.layout,
        runner=rooms.runner,
        router=rooms.router,
        builder=rooms.builder,
        repositories=rooms.repositories,
        app_log=rooms.logplex,
        turns=turns,
        stops=stops,
        disk=rooms.disk,
        nursery=rooms.nursery,
        apps_per_user=settings.apps_per_user,
    )
    promotions = Promotions(
        store=rooms.store,
        builder=rooms.builder,
        deploys=deploys,
        retention=retention,
        disk=rooms.disk,
        verdicts=verdicts,
        nursery=rooms.nursery,
    )
    resume = Resume(
        store=rooms.store,
        deploys=deploys,
        dynos=dynos,
        live=live,
        changes=changes,
        verdicts=verdicts,
        runner=rooms.runner,
        router=rooms.router,
        outputs=rooms.outputs,
        app_log=rooms.logplex,
    )
    source_builds = SourceBuilds(
        store=rooms.store,
        deploys=deploys,
        outputs=rooms.outputs,
        uploads=rooms.uploads,
        disk=rooms.disk,
        nursery=rooms.nursery,
        reach=settings.fetch_private,
        fetch_seconds=settings.source_timeout_seconds,
    )
    slug_uploads = SlugUploads(
        store=rooms.store,
        layout=rooms.layout,
        builder=rooms.builder,
        uploads=rooms.uploads,
        disk=rooms.disk,
        clock=rooms.clock,
    )
    belongings = Belongings(
        store=rooms.store,
        router=rooms.router,
        app_log=rooms.logplex,
        disk=rooms.disk,
        clock=rooms.clock,
        domain=settings.domain,
    )
    return Story(
        deploys=deploys,
        dynos=dynos,
        source_builds=source_builds,
        slug_uploads=slug_uploads,
        apps=apps,
        belongings=belongings,
        promotions=promotions,
        runs=Runs(
            store=rooms.store, releaser=releaser, runner=rooms.runner, app_log=rooms.logplex, at_once=settings.runs_per_app
        ),
        soundness=Soundness(store=rooms.store, live=live, shelf=Shelf(rooms.layout), app_log=rooms.logplex),
        disk_usage=DiskUsage(store=rooms.store, layout=rooms.layout, disk=rooms.disk),
        resume=resume,
        retention=retention,
    )


def certificate_of(settings: Settings, layout: Layout) -> Served:
    """Of the API port: the one that was given, else one of our own CA's. Raises: SettingsError."""
    chain, key = settings.api_certificate, settings.api_private_key
    if chain is not None and key is not None:
        return GivenCertificate(chain, key)
    if chain is not None or key is not None:
        raise SettingsError("api_certificate and api_private_key go together.", remedy="Give both, or neither.")
    where = parse_address(settings.api_listen)
    listened = () if isinstance(where, Path) or not is_host(where[0]) or where[0] in EVERYWHERE else (where[0],)
    return Certificate(layout.tls, settings.domain, lambda: [*settings.api_names, *listened, *own_names()])
