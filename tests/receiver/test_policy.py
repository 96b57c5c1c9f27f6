"""Which ref may move, and which deploys: pure, so every case is a row."""

from __future__ import annotations

import pytest

from pushd.errors import InvalidParams
from pushd.model.app_settings import AppSettings
from pushd.receiver.commands import ZERO, Command
from pushd.receiver.policy import PushOptions, all_or_nothing, how_to_deploy, is_valid_ref, parse_options, plan_push

OLD, NEW = "1" * 40, "2" * 40
NO_OPTIONS = PushOptions()


def create(ref: str) -> Command:
    return Command(ref, ZERO, NEW)


def delete(ref: str) -> Command:
    return Command(ref, OLD, ZERO)


@pytest.mark.parametrize(
    ("ref", "setting", "deploys"),
    [
        ("refs/heads/main", "", True),
        ("refs/heads/master", "", True),
        ("refs/heads/feature", "", False),
        ("refs/heads/feature/master", "", False),
        ("refs/tags/master", "", False),
        ("refs/heads/master", "live", False),
        ("refs/heads/live", "live", True),
    ],
)
def test_which_ref_deploys(ref: str, setting: str, deploys: bool) -> None:
    (verdict,) = plan_push([create(ref)], AppSettings({"deploy-branch": setting}), NO_OPTIONS, head="master")
    assert (verdict.deploys, verdict.refusal) == (deploys, "")


@pytest.mark.parametrize(
    ("ref", "head", "settings", "refused"),
    [
        ("refs/heads/master", "master", {}, True),
        ("refs/heads/master", "main", {}, False),  # after a move from master to main
        ("refs/heads/live", "master", {"deploy-branch": "live"}, True),
        ("refs/heads/feature", "master", {}, False),
        ("refs/heads/feature", "master", {"ref-delete": "refuse"}, True),
        ("refs/tags/v1", "master", {"ref-delete": "refuse"}, True),
    ],
)
def test_what_may_be_deleted(ref: str, head: str, settings: dict[str, str], refused: bool) -> None:
    (verdict,) = plan_push([delete(ref)], AppSettings(settings), NO_OPTIONS, head=head)
    assert bool(verdict.refusal) is refused
    assert not verdict.deploys


@pytest.mark.parametrize(("setting", "refused"), [("allow", False), ("refuse", True)])
def test_what_may_be_rewritten(setting: str, refused: bool) -> None:
    command = Command("refs/heads/feature", OLD, NEW)
    settings = AppSettings({"force-push": setting})
    (verdict,) = plan_push([command], settings, NO_OPTIONS, head="master", rewrites={command.ref})
    assert bool(verdict.refusal) is refused


def test_a_fault_comes_first() -> None:
    command = create("refs/heads/master")
    (verdict,) = plan_push([command], AppSettings(), NO_OPTIONS, head="", faults={command.ref: "no commit"})
    assert (verdict.refusal, verdict.deploys) == ("no commit", False)


def test_two_deploying_branches_are_both_refused() -> None:
    commands = [create(f"refs/heads/{name}") for name in ("main", "master", "other")]
    verdicts = plan_push(commands, AppSettings(), NO_OPTIONS, head="master")
    assert [bool(verdict.refusal) for verdict in verdicts] == [True, True, False]
    assert [bool(verdict.refusal) for verdict in all_or_nothing(verdicts)] == [True, True, True]
    verdicts = plan_push(commands, AppSettings(), PushOptions(no_deploy=True), head="master")
    assert not any(verdict.refusal or verdict.deploys for verdict in verdicts)


def test_push_options() -> None:
    assert parse_options([]) == PushOptions()
    assert parse_options(["no-cache", "no-deploy", "no-cache"]) == PushOptions(no_cache=True, no_deploy=True)
    with pytest.raises(InvalidParams, match="Unknown push option 'no_cache'"):
        parse_options(["no_cache"])


@pytest.mark.parametrize(
    "ref",
    ["refs/heads/a", "refs/heads/a/b-c_d.e", "refs/tags/v1.0", "refs/heads/gr\u00fcn", "refs/notes/commits", "refs/heads/@"],
)
def test_valid_refs(ref: str) -> None:
    assert is_valid_ref(ref)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a..b", ".a", "a.", "a.lock", "a.lock/b", "a//b", "a/", "/a", "a b", "a~", "a^", "a:b", "a?", "a*", "a[",
     "a\\b", "a@{b", "a\x7f", "a\nb", "a\0b", "x" * 600],
)  # fmt: skip
def test_refs_that_git_would_not_take(name: str) -> None:
    assert not is_valid_ref(f"refs/heads/{name}")


@pytest.mark.parametrize("ref", ["HEAD", "refs", "refs/heads", "master", "heads/master", "/refs/heads/a", "../refs/heads/a"])
def test_refs_outside_of_refs(ref: str) -> None:
    assert not is_valid_ref(ref)


@pytest.mark.parametrize(
    ("command", "setting", "head", "said"),
    [
        (create("refs/heads/feature"), "", "main", "git push <remote> feature:main"),
        (create("refs/heads/feature"), "", "gone", "git push <remote> feature:master"),
        (create("refs/heads/feature"), "live", "main", "git push <remote> feature:live"),
        (create("refs/tags/v1"), "", "main", "git push <remote> v1^{}:refs/heads/main"),
        (create("refs/heads/main"), "", "main", "git commit --allow-empty -m deploy && git push <remote> main"),
        (delete("refs/heads/feature"), "", "main", "feature is deleted"),
    ],
)
def test_the_output_says_how_to_deploy(command: Command, setting: str, head: str, said: str) -> None:
    assert said in how_to_deploy(command, AppSettings({"deploy-branch": setting}), head=head)
