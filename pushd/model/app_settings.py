"""Settings of one app, as `pushd settings:set` takes them: every one once, with its default and rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pushd.errors import InvalidParams, NotFound
from pushd.kit.parse import count, one_of, seconds
from pushd.settings import SETTINGS


@dataclass(frozen=True, slots=True)
class AppSetting:
    """One row: values are kept as text, `parse` gives what the code uses and raises ValueError with the rule."""

    name: str
    default: str
    help: str
    parse: Callable[[str], Any]
    feature: str = ""  # for a switch that `features` or `labs` shows too: its state, "general" or "public"


def _branch(text: str) -> str:
    if text and (not re.fullmatch(r"[A-Za-z0-9._/-]{1,200}", text) or ".." in text or text.startswith(("/", "-"))):
        raise ValueError("it must be a branch name")
    return text


def _path(text: str) -> str:
    if not re.fullmatch(r"/[!-~]{0,1000}", text):
        raise ValueError("it must be a path that starts with /")
    return text


def _switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError("it must be on or off")
    return text == "on"


APP_SETTINGS: tuple[AppSetting, ...] = (
    AppSetting("deploy-branch", "", "Branch whose push deploys; empty: main and master both do.", _branch),
    AppSetting("force-push", "allow", "Pushes that rewrite a branch: allow or refuse.", one_of("allow", "refuse")),
    AppSetting("ref-delete", "allow", "Deleting branches that do not deploy: allow or refuse.", one_of("allow", "refuse")),
    AppSetting("pack-limit-mb", "2048", "Largest pack that a push may send.", count(1, 1_000_000)),
    AppSetting("probe", "http", "A web dyno is ready when it answers (http) or listens (port).", one_of("http", "port")),
    AppSetting("probe-path", "/", "Path of the request that a new web dyno must answer.", _path),
    AppSetting("boot-timeout-seconds", "60", "Time for a new web dyno to become ready (R10).", seconds(1, 600)),
    AppSetting("stop-timeout-seconds", "30", "Time between TERM and KILL (R12).", seconds(0, 600)),
    AppSetting("drain-timeout-seconds", "30", "Time for requests in flight to finish before TERM.", seconds(0, 600)),
    AppSetting("first-byte-timeout-seconds", "30", "Time for the app to begin its answer (H12).", seconds(1, 3600)),
    AppSetting("idle-timeout-seconds", "55", "Silence after which a connection is ended (H15, H28).", seconds(1, 3600)),
    AppSetting("requests-per-dyno", "50", "Requests that one dyno gets at a time; more wait, then H11.", count(1, 10_000)),
    AppSetting("runtime-dyno-metadata", "on", "Dynos find their app, release and commit in HEROKU_* variables.",
               _switch, "general"),
    AppSetting("log-runtime-metrics", "off", "The log tells every 20 s what memory each dyno takes.",
               _switch, "public"),
    AppSetting("log-limit-mb", "64", "Log kept on disk; the oldest lines go.", count(1, 100_000)),
    AppSetting("log-lines-per-second", "0", "Lines above this are dropped and counted (L12); 0: none are, the app waits.",
               count(0, 10_000_000)),
)  # fmt: skip
FEATURES = tuple(setting for setting in APP_SETTINGS if setting.feature)
_BY_NAME = {setting.name: setting for setting in APP_SETTINGS}


class AppSettings:
    """The effective settings of one app: `settings["probe-path"]` gives the parsed value."""

    __slots__ = ("stored",)

    def __init__(self, stored: Mapping[str, str] | None = None) -> None:
        self.stored = dict(stored or {})

    def __getitem__(self, name: str) -> Any:
        setting = _BY_NAME[name]
        return setting.parse(self.stored.get(name, setting.default))


def check_setting(name: str, text: str | None) -> None:
    """Raises: NotFound for a name we do not have, InvalidParams for a value that does not fit; None (unset) always fits."""
    setting = _BY_NAME.get(name)
    if setting is None:
        if of_server := next((each for each in SETTINGS if each.name == name.replace("-", "_")), None):
            raise NotFound(
                f"{of_server.name} is a setting of the server, not of an app.",
                resource="setting",
                remedy=f"The operator sets it, with {of_server.flag}, {of_server.variable} or in the settings file.",
            )
        raise NotFound(f"There is no setting called {name[:64]!r}.", resource="setting",
                       remedy=f"Settings: {', '.join(_BY_NAME)}.")  # fmt: skip
    if text is None:
        return
    try:
        setting.parse(text)
    except ValueError as error:
        raise InvalidParams(
            f"Cannot set {name} to {text[:64]!r}: {error}.", remedy=f"Default: {setting.default or '(empty)'}."
        ) from None
