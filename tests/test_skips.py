"""A proof that was skipped is told at the end of the run, by several workers too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
PROOFS = """
import pytest

def test_that_holds(): pass

def test_that_needs_groups(): pytest.skip("no control groups here")

@pytest.mark.skipif(True, reason="only root mounts")
def test_that_mounts(): pass
"""


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_skipped_proofs_are_told_with_their_reason(tmp_path: Path, workers: tuple[str, ...]) -> None:
    (tmp_path / "test_proofs.py").write_text(PROOFS)
    words = ["-q", "-p", "no:cacheprovider", "-p", "tests.skips", "--rootdir", str(tmp_path), *workers, str(tmp_path)]

    ended = subprocess.run([sys.executable, "-m", "pytest", *words], cwd=TOP, capture_output=True, text=True, check=False)

    assert ended.returncode == 0
    told = ended.stdout.partition("NOT SHOWN on this machine")[2]
    assert "no control groups here: 1\n    test_proofs.py::test_that_needs_groups\n" in told
    assert "only root mounts: 1\n    test_proofs.py::test_that_mounts\n" in told
    assert "test_that_holds" not in told
