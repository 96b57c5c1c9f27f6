"""Each way to confine that this machine allows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pushd.sandbox.sandbox import Sandbox


@pytest.fixture
async def confining(tmp_path: Path) -> Sandbox:
    """The best way; tests of isolation need bubblewrap."""
    sandbox = await Sandbox.probe(tmp_path, data=tmp_path)
    if not sandbox.confines:
        pytest.skip(f"no sandbox here: {sandbox.protections[0].why}")
    return sandbox


@pytest.fixture(params=["best", "copy", "plain"])
async def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> Sandbox:
    """All ways, for what holds in each."""
    if request.param == "plain":
        return await Sandbox.probe(tmp_path, "off")
    best: Sandbox = await Sandbox.probe(tmp_path, data=tmp_path)
    if request.param == "best":
        return best
    if not best.confines:
        pytest.skip("no bubblewrap here")
    without_overlay = replace(best.way, overlay=False)  # as on machines that refuse overlays
    return Sandbox(without_overlay, best.protections, hidden=tmp_path)
