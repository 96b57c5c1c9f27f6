"""Who may move which ref, and which branch deploys. Pure: no disk, no clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pushd.errors import InvalidParams
from pushd.model.app_settings import AppSettings
from pushd.receiver.commands import Command

DEFAULT_BRANCHES = ("main", "master")
NO_CACHE, NO_DEPLOY = "no-cache", "no-deploy"
_NOT_IN_NAMES = frozenset(" ~^:?*[\\\x7f") | {chr(code) for code in range(32)}


@dataclass(frozen=True, slots=True)
class PushOptions:
    """What `git push -o` may ask for."""

    no_cache: bool = False
    no_deploy: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of one ref: refused for a reason, deployed and then moved, or only moved."""

    command: Command
    refusal: str = ""
    deploys: bool = False


def parse_options(options: Sequence[str]) -> PushOptions:
    """Raises: InvalidParams for an option that we do not have."""
    for option in options:
        if option not in (NO_CACHE, NO_DEPLOY):
            raise InvalidParams(
                f"Unknown push option {option[:64]!r}.",
                remedy=f"Known: `git push -o {NO_CACHE}` builds from scratch, `git push -o {NO_DEPLOY}` only stores.",
            )
    return PushOptions(no_cache=NO_CACHE in options, no_deploy=NO_DEPLOY in options)


def deploy_branches(settings: AppSettings) -> tuple[str, ...]:
    """The branches whose push deploys."""
    chosen: str = settings["deploy-branch"]
    return (chosen,) if chosen else DEFAULT_BRANCHES


def plan_push(
    commands: Sequence[Command],
    settings: AppSettings,
    options: PushOptions,
    *,
    head: str,
    rewrites: Collection[str] = (),
    faults: Mapping[str, str] = MappingProxyType({}),
) -> list[Verdict]:
    """A verdict for each command, in order.

    `head` is the branch that HEAD of our repository names: the one deployed last. `rewrites` holds the refs whose new value
    does not descend from the old one, `faults` what is wrong with the new value itself. More than one deploying branch in a
    push: all of them are refused.
    """
    branches = deploy_branches(settings)
    deploying = [each for each in commands if each.branch in branches and not each.is_delete and not options.no_deploy]
    verdicts = []
    for command in commands:
        refusal = faults.get(command.ref, "") or _refusal(command, settings, head, rewrites)
        if not refusal and command in deploying and len(deploying) > 1:
            refusal = f"only one of {' and '.join(str(each.branch) for each in deploying)} can be deployed at a time"
        verdicts.append(Verdict(command, refusal, deploys=not refusal and command in deploying))
    return verdicts


def is_valid_ref(ref: str) -> bool:
    """Whether git takes this name for a ref. Source: git-check-ref-format(1)."""
    parts = ref.split("/")
    return (
        len(parts) >= 3
        and parts[0] == "refs"
        and len(ref) <= 500
        and not ref.endswith(".")
        and ".." not in ref
        and "@{" not in ref
        and not _NOT_IN_NAMES & set(ref)
        and all(part and not part.startswith(".") and not part.endswith(".lock") for part in parts)
    )


def how_to_deploy(command: Command, settings: AppSettings, *, head: str) -> str:
    """What to say of a ref that was moved and not deployed."""
    target = settings["deploy-branch"] or (head if head in DEFAULT_BRANCHES else DEFAULT_BRANCHES[-1])
    if command.is_delete:
        return f"-----> {command.branch or command.ref} is deleted."
    if command.branch in deploy_branches(settings):
        return (  # git sends nothing when the server has the commit already: it takes a new one
            f"-----> {command.branch} is stored and not deployed. The next commit that is pushed deploys it. To deploy now:\n"
            f"       git commit --allow-empty -m deploy && git push <remote> {command.branch}"
        )
    if command.branch is not None:
        return (
            f"-----> {command.branch} is stored and not deployed.\n"
            f"       To deploy it: git push <remote> {command.branch}:{target}"
        )
    name = command.ref.removeprefix("refs/tags/")
    return f"-----> {name} is stored and not deployed.\n       To deploy it: git push <remote> {name}^{{}}:refs/heads/{target}"


def all_or_nothing(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The verdicts of an atomic push: one refusal refuses all."""
    verdicts = list(verdicts)
    if not any(each.refusal for each in verdicts):
        return verdicts
    return [each if each.refusal else Verdict(each.command, "atomic push failed") for each in verdicts]


def _refusal(command: Command, settings: AppSettings, head: str, rewrites: Collection[str]) -> str:
    if not is_valid_ref(command.ref):
        return "funny refname"
    if command.is_delete:
        if command.branch in deploy_branches(settings) and command.branch in (head, settings["deploy-branch"]):
            return "the branch that deploys cannot be deleted"
        if settings["ref-delete"] == "refuse":
            return "deleting refs is switched off: pushd settings:set ref-delete=allow"
    if command.ref in rewrites and settings["force-push"] == "refuse":
        return "rewriting a branch is switched off: pushd settings:set force-push=allow"
    return ""
