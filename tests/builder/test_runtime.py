"""What a dyno's shell gets from .profile.d/python.sh."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.builder.conftest import Files, Workplace

SHOW = 'for file in .profile.d/*.sh; do . "$file"; done; exec env'


@pytest.fixture
async def slug(workplace: Workplace) -> Path:
    built = await workplace.build(Files(files={"requirements.txt": "greeter==1.0\n", "Procfile": "web: greeter\n"}))
    return workplace.folder(built)


def environ_of(slug: Path, **given: str) -> dict[str, str]:
    answer = subprocess.run(
        ["/bin/bash", "-c", SHOW],
        cwd=slug,
        env={"HOME": "/app", "PATH": "/usr/bin:/bin", **given},
        capture_output=True,
        check=True,
    )
    return dict(line.split("=", 1) for line in answer.stdout.decode().splitlines() if "=" in line)


def test_defaults_as_on_heroku(slug: Path) -> None:
    seen = environ_of(slug)

    assert seen["PATH"] == f"{seen['VIRTUAL_ENV']}/bin:/usr/bin:/bin"
    assert Path(seen["VIRTUAL_ENV"], "bin", "greeter").exists()
    assert {
        name: seen[name] for name in ("PYTHONPATH", "PYTHONUNBUFFERED", "LANG", "GUNICORN_CMD_ARGS", "FORWARDED_ALLOW_IPS")
    } == {
        "PYTHONPATH": "/app",
        "PYTHONUNBUFFERED": "1",
        "LANG": "C.UTF-8",
        "GUNICORN_CMD_ARGS": "--access-logfile -",
        "FORWARDED_ALLOW_IPS": "*",
    }


def test_config_vars_win(slug: Path) -> None:
    given = {"PYTHONPATH": "/app/src", "LANG": "de_DE.UTF-8", "GUNICORN_CMD_ARGS": "", "FORWARDED_ALLOW_IPS": "127.0.0.1"}

    seen = environ_of(slug, **given)

    assert {name: seen[name] for name in given} == given
