"""Runs buildpacks over an app in its sandbox, and reads what they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import yaml

from pushd.builder.redact import BuildOutput
from pushd.builder.tools import Tools
from pushd.builder.workshop import Workshop
from pushd.errors import BuildFailed
from pushd.kit.aio import in_thread
from pushd.kit.bounds import TookTooMuch
from pushd.kit.proc import RanTooLong, machine_memory_bytes
from pushd.model.app import STACK
from pushd.model.procfile import is_declarable
from pushd.model.resources import Resources, spare_bytes
from pushd.model.secret import Environ
from pushd.sandbox.view import Bind, Kind, Limits, View

RUNNER = Path(__file__).with_name("run-buildpacks.sh")
_SCRATCH_BYTES = 512 << 20  # of /dev/shm, which lives in memory; /tmp is on the disk
_RELEASE_CHARACTERS = 1 << 16  # reading YAML takes its time
_TEXT, _NOTHING = "tag:yaml.org,2002:str", "tag:yaml.org,2002:null"
_NO_MAPPING = "default_process_types must map names to commands"
_KILLED = 128 + 9
# Variables that name files or folders of certificates; a build must be able to read what they name.
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NIX_SSL_CERT_FILE", "PIP_CERT")
_ALWAYS_SEEN = (Path("/etc"), Path("/usr"))


class Confines(Protocol):
    """What we need of the sandbox."""

    async def run(self, view: View, argv: Sequence[str], *, on_output: Callable[[bytes], None], within: float) -> int:
        """Run one program to its end, with HOME naming its view's root. Raises: RanTooLong, TookTooMuch, OSError."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the buildpacks answered."""

    buildpacks: tuple[str, ...]  # names of their folders, in order
    description: str  # what the last one called the app: "Python"
    process_types: Mapping[str, str]  # defaults of the last one, for an app without a Procfile
    environment: str  # name of the environment's folder; "" if the slug needs none
    suggestion: str  # a line for a Procfile, if a buildpack has an idea
    report: str  # bin/report, for the daemon's log


async def run_buildpacks(
    packs: Sequence[Path],
    workshop: Workshop,
    sandbox: Confines,
    tools: Tools,
    *,
    every: bool,
    variables: Mapping[str, str],
    config: Mapping[str, str],
    resources: Resources,
    within: float,
    output: BuildOutput,
) -> Compiled:
    """Let buildpacks detect and compile the app in `workshop.tree`: the first that fits, or `every` one in order.

    `variables`: what builds see of the daemon's environment. `config` goes to ENV_DIR and into no environment.
    Raises: BuildFailed when none fits, one fails, the time is over, or they take too much.
    """
    copies = workshop.furnish(packs, config)
    view = _view(workshop, tools, variables, _limits(resources))
    argv = ["/bin/bash", str(workshop.side / RUNNER.name), "all" if every else "first"]
    argv += [str(folder) for folder in (workshop.cache, workshop.env_dir, workshop.result, *copies)]
    (workshop.side / RUNNER.name).write_bytes(RUNNER.read_bytes())
    await in_thread(workshop.hand_over)
    try:
        status = await sandbox.run(view, argv, on_output=output.write, within=within)
    except RanTooLong as error:
        raise BuildFailed(
            f"the buildpacks did not end within {within:g} seconds and were stopped",
            remedy="See in its output where it waits. The limit is the shorter one of the app's own, which\n"
            "`pushd resources:set build time=30m` sets, and of the server's setting build_timeout_seconds.",
        ) from error
    except TookTooMuch as error:
        raise _too_much(error) from error
    finally:
        output.flush()
    if status != 0:
        raise _failure(workshop, status, output.last_error)
    return await in_thread(_compiled, workshop)


def parse_release(text: str) -> Mapping[str, str]:
    """Default process types in the YAML of a bin/release: "web" -> its command. Raises: ValueError if it is not that.

    A build writes it: it is read, and nothing that its tags, anchors and merges ask for is made.
    """
    if len(text) > _RELEASE_CHARACTERS:
        raise ValueError(f"it is longer than {_RELEASE_CHARACTERS} characters")
    try:
        answer = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError("it is not YAML") from error
    commands = _rows(_rows(answer).get("default_process_types"))
    if any(command.tag != _TEXT for command in commands.values()):
        raise ValueError(_NO_MAPPING)
    types = {name: str(command.value).strip() for name, command in commands.items()}
    if not is_declarable(types):
        raise ValueError("default_process_types cannot be written as a Procfile")
    return types


def _rows(node: yaml.Node | None) -> Mapping[str, yaml.Node]:
    """Those of a mapping from names, none where nothing is, also as an empty list, as PHP writes it. Raises: ValueError."""
    if node is None or node.tag == _NOTHING or not node.value:
        return {}
    if not isinstance(node, yaml.MappingNode) or any(name.tag != _TEXT for name, _ in node.value):
        raise ValueError(_NO_MAPPING)
    return {name.value: value for name, value in node.value}


def _view(workshop: Workshop, tools: Tools, variables: Mapping[str, str], limits: Limits) -> View:
    certificates = {Path(variables[name]) for name in _CERTIFICATES if variables.get(name)}
    unseen = [path for path in certificates if path.exists() and not any(map(path.is_relative_to, _ALWAYS_SEEN))]
    temporary = workshop.side / "tmp"
    temporary.mkdir(exist_ok=True)
    temporary.chmod(0o1777)
    environ = {
        "LANG": "C.UTF-8",
        **variables,
        "STACK": STACK,
        "PUSHD_PYTHON": str(tools.python),
        "PUSHD_PYTHONS": ":".join(map(str, tools.pythons)),
        "PUSHD_UV": str(tools.uv),
        "PUSHD_UV_VERSION": tools.uv_version,
        "PUSHD_ENVIRONMENTS": str(workshop.environments),
        "PUSHD_RESULT": str(workshop.result),
        "PUSHD_SALT": workshop.salt(),
    }
    return View(
        kind=Kind.BUILD,
        root=workshop.tree,
        environ=Environ(environ),
        limits=limits,
        read_only=tuple(map(Bind, (tools.uv, *tools.collections, *sorted(unseen)))),
        read_write=(Bind(temporary, at=Path("/tmp")), *map(Bind, (workshop.side, workshop.cache, workshop.environments))),
        user=workshop.user,
        interpreters=() if any(map(tools.python.is_relative_to, tools.collections)) else (tools.python,),
    )


def _compiled(workshop: Workshop) -> Compiled:
    detected = [line.split("\t") for line in workshop.answer("detected").split("\n")]
    if any(len(each) != 2 for each in detected):
        raise BuildFailed(
            "the build has removed or overwritten the answers of its buildpacks",
            remedy="Have it write into its own folders and /tmp only.",
        )
    folders = tuple(folder for folder, _ in detected)
    try:
        process_types = parse_release(workshop.answer("release"))
    except ValueError as error:
        raise BuildFailed(
            f"bin/release of the {folders[-1]} buildpack cannot be read: {error}", remedy="Mend the buildpack."
        ) from error
    environment = workshop.answer("environment")
    if environment and not (environment.isalnum() and _is_folder(workshop.environments / environment)):
        raise BuildFailed(f"the {folders[-1]} buildpack names an environment that is not there", remedy="Mend the buildpack.")
    return Compiled(
        buildpacks=folders,
        description=detected[-1][1],
        process_types=process_types,
        environment=environment,
        suggestion=workshop.answer("suggestion"),
        report=workshop.answer("report"),
    )


def _limits(resources: Resources) -> Limits:
    memory_bytes = min(resources.memory_bytes, spare_bytes(machine_memory_bytes()))
    return Limits(
        scratch_bytes=_SCRATCH_BYTES,
        memory_bytes=memory_bytes,
        data_bytes=memory_bytes,
        processes=resources.processes,
        open_files=resources.open_files,
        processors=resources.cpu,
        low_priority=True,
    )


def _is_folder(path: Path) -> bool:
    """No link: dynos are shown what stands there, and a link would choose that for them."""
    return path.is_dir() and not path.is_symlink()


def _too_much(excess: TookTooMuch) -> BuildFailed:
    if excess.what == "memory":
        return BuildFailed(
            f"the build took more than {excess.limit >> 20} MB of memory, and was ended",
            remedy="Let it do less at once, or let it take more: pushd resources:set build memory=6G\n"
            "That holds for all processes of a build together, up to three quarters of the server's memory.",
        )
    return BuildFailed(
        f"the build ran more than {excess.limit} processes and threads, and was ended",
        remedy="Look for what starts itself again without end; `make -j` without a number does, too.",
    )


def _failure(workshop: Workshop, status: int, last_error: str) -> BuildFailed:
    step, _, name = workshop.answer("failed").partition("\t")
    if step == "detect":
        refusals = workshop.answer("refusals")
        whom = "no buildpack fits this app" if name == "any" else f"the {name} buildpack does not fit this app"
        return BuildFailed(whom, remedy=f"{refusals}\nCommit what it looks for, and push again." if refusals else "")
    if status == _KILLED and not step:
        return BuildFailed(
            "the build was killed", remedy="That happens when memory runs out: pushd resources:set build memory=6G"
        )
    if last_error:
        return BuildFailed(last_error.rstrip("."), told=True)
    return BuildFailed(
        f"bin/{step or 'compile'} of the {name or 'buildpack'} buildpack failed",
        remedy="Its output above says why.",
    )
