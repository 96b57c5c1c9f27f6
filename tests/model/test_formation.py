from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.errors import InvalidParams, NotFound
from pushd.model.formation import MAX_QUANTITY, Scale, check_known, first_formation, parse_quantity


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("2", Scale("web", 2, relative=False)),
        (2, Scale("web", 2, relative=False)),
        ("0", Scale("web", 0, relative=False)),
        ("+1", Scale("web", 1, relative=True)),
        ("-3", Scale("web", -3, relative=True)),
    ],
)
def test_quantities_as_the_heroku_cli_sends_them(text: str | int, scale: Scale) -> None:
    assert parse_quantity("web", text) == scale


@pytest.mark.parametrize("text", ["", "+", "two", "1.5", "1e2", "++1", " 1", "1\n", "٣", "²", "99999", True, -1, 10**6])
def test_anything_else_is_refused(text: str | int) -> None:
    with pytest.raises(InvalidParams, match="is not a quantity for web") as caught:
        parse_quantity("web", text)
    assert "web=2" in caught.value.remedy


@given(st.integers(0, 9999), st.integers(0, MAX_QUANTITY), st.sampled_from(["", "+", "-"]))
def test_a_scale_stays_within_bounds_or_is_refused(amount: int, current: int, sign: str) -> None:
    scale = parse_quantity("web", f"{sign}{amount}")
    wanted = {"": amount, "+": current + amount, "-": current - amount}[sign]

    if 0 <= wanted <= MAX_QUANTITY:
        assert scale.applied_to(current) == wanted
    else:
        with pytest.raises(InvalidParams, match=f"it must be 0 to {MAX_QUANTITY}"):
            scale.applied_to(current)


def test_the_first_deploy_starts_one_web_dyno_and_nothing_else() -> None:
    types = {"release": "migrate", "web": "gunicorn", "worker": "python worker.py"}

    assert dict(first_formation(types)) == {"web": 1, "worker": 0}
    assert dict(first_formation({"bot": "python bot.py"})) == {"bot": 0}


def test_only_what_the_procfile_declares_can_be_scaled() -> None:
    types = {"release": "migrate", "web": "gunicorn"}
    check_known("web", types)

    for unknown in ("worker", "release", ""):
        with pytest.raises(NotFound, match="Couldn't find that process type") as caught:
            check_known(unknown, types)
        assert caught.value.remedy == "Process types of this app: web."
    with pytest.raises(NotFound) as caught:
        check_known("web", {})
    assert "push first" in caught.value.remedy
