"""What dynos and builds may take."""

from __future__ import annotations

import pytest

from pushd.errors import InvalidParams, NotFound
from pushd.model.resources import BUILD, DYNO_SIZES, AppResources, check_figure, find_size


def test_a_type_of_which_nothing_is_known_has_the_default_size() -> None:
    found = AppResources().of_dyno("web")
    assert (found.size, found.memory_mb, found.memory_bytes, found.cpu) == ("Standard-1X", 512, 512 << 20, None)
    assert (found.processes, found.open_files, found.share) == (4096, 65536, 1)


def test_sizes_bring_memory_and_share_and_figures_win() -> None:
    resources = AppResources({"web": "Standard-2X", "worker": "Performance-M"}, {"worker": {"memory": "1.5G", "cpu": "0.5"}})
    assert (resources.of_dyno("web").memory_mb, resources.of_dyno("web").share) == (1024, 2)
    assert (resources.of_dyno("worker").memory_mb, resources.of_dyno("worker").cpu) == (1536, 0.5)
    assert resources.of_dyno("worker").share == 4


def test_builds_have_figures_of_their_own() -> None:
    plain = AppResources().of_build()
    assert (plain.memory_mb, plain.processes, plain.slug_mb, plain.size) == (4096, 2048, 1024, "")
    assert plain.time_seconds == float("inf")  # then the server's limit holds
    found = AppResources({}, {BUILD: {"time": "15m", "slug": "500M", "processes": "300"}}).of_build()
    assert (found.time_seconds, found.slug_mb, found.processes) == (900, 500, 300)


def test_another_size_takes_what_was_set_of_the_memory_with_it() -> None:
    before = AppResources({"web": "Eco"}, {"web": {"memory": "300M", "cpu": "2"}})
    found = before.resized("web", find_size("STANDARD-2X")).of_dyno("web")
    assert (found.size, found.memory_mb, found.cpu) == ("Standard-2X", 1024, 2)
    assert before.changed("web", {"memory": None, "open-files": "100"}).of_dyno("web").open_files == 100


def test_sizes_are_found_in_any_letters() -> None:
    assert [find_size(size.name.lower()) for size in DYNO_SIZES] == list(DYNO_SIZES)
    with pytest.raises(InvalidParams, match="no dyno size 'huge'") as caught:
        find_size("huge")
    assert "performance-2xl" in caught.value.remedy


@pytest.mark.parametrize(
    ("type", "name", "text", "says"),
    [
        ("web", "memory", "31M", "it must be 32M to 1000000M"),
        ("web", "memory", "-1", "it must be 32M"),
        ("web", "memory", "1T", "it must be 32M"),
        ("web", "memory", "1e3", "it must be 32M"),
        ("web", "memory", "9" * 5000, "it must be 32M"),
        ("web", "cpu", "0", "it must be 0.05 to 1024 processors"),
        ("web", "cpu", "50%", "it must be 0.05"),
        ("web", "processes", "15", "it must be 16 to 100000"),
        ("web", "open-files", "many", "it must be a number"),
        (BUILD, "time", "9s", "it must be 10 seconds or more"),
        (BUILD, "slug", "0", "it must be 1M"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_rule(type: str, name: str, text: str, says: str) -> None:
    with pytest.raises(InvalidParams, match=f"Cannot set {name} of {type} to .*: {says}"):
        check_figure(type, name, text)
    check_figure(type, name, None)


@pytest.mark.parametrize(("type", "name"), [("web", "time"), ("web", "slug"), ("web", "disk"), (BUILD, "")])
def test_what_there_is_not_is_refused_with_what_there_is(type: str, name: str) -> None:
    with pytest.raises(NotFound, match=f"no limit called '{name}' for {type}") as caught:
        check_figure(type, name, "1")
    assert "memory, cpu, processes, open-files" in caught.value.remedy
