"""A launch: all it takes to start the processes of one release of an app."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pushd.model.app import App
from pushd.model.app_settings import AppSettings
from pushd.model.dyno import Epoch
from pushd.model.release import Release
from pushd.model.resources import AppResources
from pushd.model.secret import Environ
from pushd.model.slug import Slug


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One epoch of an app, ready to start. `environ` is config vars and metadata; PORT, DYNO, HOME, PATH are the runner's."""

    app: App
    release: Release
    slug: Slug
    environ: Environ
    formation: Mapping[str, int]  # wanted quantity of each process type, `release` not among them
    settings: AppSettings = field(default_factory=AppSettings)
    resources: AppResources = field(default_factory=AppResources)

    @property
    def epoch(self) -> Epoch:
        return Epoch(self.release.number, self.app.restarts)
