"""Each way to confine that this machine allows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pushd.sandbox.sandbox import Sandbox


@pytest.fixture
def confining(probed: Sandbox, tmp_path: Path) -> Sandbox:
    """The best way; tests of isolation need bubblewrap."""
    if not probed.confines:
        pytest.skip(f"no sandbox here: {probed.protections[0].why}")
    return Sandbox(probed.way, probed.protections, hidden=tmp_path)


@pytest.fixture(params=["best", "copy", "plain", "one user for all"])
async def sandbox(request: pytest.FixtureRequest, probed: Sandbox, tmp_path: Path) -> Sandbox:
    """All ways, for what holds in each."""
    if request.param == "plain":
        return await Sandbox.probe(tmp_path, "off")
    best = Sandbox(probed.way, probed.protections, hidden=tmp_path)
    if request.param == "best":
        return best
    if request.param == "one user for all":
        if not best.way.own_users:
            pytest.skip("apps have no users of their own here anyway")
        return Sandbox(replace(best.way, own_users=False), best.protections, hidden=tmp_path)
    if not best.confines:
        pytest.skip("no bubblewrap here")
    return Sandbox(replace(best.way, overlay=False), best.protections, hidden=tmp_path)  # as on machines that refuse overlays
