from __future__ import annotations

import shutil

import pytest

from pushd.builder.soundness import Shelf
from tests.builder.conftest import Files, Workplace

FILES = {"requirements.txt": "greeter==1.0\n", "Procfile": "web: greeter\n", "work.py": "1\n"}


@pytest.mark.parametrize(
    ("damage", "at_a_glance", "thoroughly"),
    [
        ("nothing", "", ""),
        ("slug", "its files are gone", "its files are gone"),
        ("environment", "the environment that it needs is gone", "the environment that it needs is gone"),
        ("file", "", "its files are not what was built"),
    ],
)
async def test_what_is_missing_or_damaged_is_found(
    workplace: Workplace, damage: str, at_a_glance: str, thoroughly: str
) -> None:
    built = await workplace.build(Files(files=FILES))
    if damage in ("slug", "environment"):
        shutil.rmtree(workplace.folder(built) if damage == "slug" else workplace.environment(built))
    if damage == "file":
        (workplace.folder(built) / "work.py").write_text("")
    shelf = Shelf(workplace.layout)

    assert (await shelf.fault(built.slug, thoroughly=False)).partition(" (")[0] == at_a_glance
    assert (await shelf.fault(built.slug, thoroughly=True)).partition(" (")[0] == thoroughly
