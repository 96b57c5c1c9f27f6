"""Which file says what to install: requirements.txt or uv.lock; every other case is answered with what to write instead."""

import os

import say

REQUIREMENTS, UV_LOCK = "requirements.txt", "uv.lock"

MISSPELT = (
    "requirement.txt", "requirments.txt", "requirements.txt.txt", "requirements.text", "requirements", "requirements.tx",
    "requirement.text", "reqirements.txt", "requierments.txt", "requirememts.txt", "req.txt",
)  # fmt: skip

# Lock files of other tools, and how to make a requirements.txt of each.
OTHERS = {
    "Pipfile.lock": "pipenv requirements > requirements.txt",
    "Pipfile": "pipenv requirements > requirements.txt",
    "poetry.lock": "poetry export --format requirements.txt --output requirements.txt",
    "pdm.lock": "pdm export --format requirements --output requirements.txt",
    "pylock.toml": "uv pip compile pyproject.toml --output-file requirements.txt",
    "pyproject.toml": "uv lock",
    "setup.py": "echo '-e .' > requirements.txt",
    "setup.cfg": "echo '-e .' > requirements.txt",
}

_VIRTUALENV_NAMES = ("venv", ".venv", "env", "virtualenv", "ENV", "myenv")


def find_manager(pack):
    """REQUIREMENTS or UV_LOCK. Raises: say.Refused that names what is there and what is missing."""
    if pack.has(REQUIREMENTS):
        _check_requirements(pack)
        beside = [
            name for name in (UV_LOCK, *OTHERS) if pack.has(name) and name not in ("pyproject.toml", "setup.py", "setup.cfg")
        ]
        if beside:
            say.detail(f"requirements.txt is used; {' and '.join(beside)} beside it {'is' if len(beside) == 1 else 'are'} not.")
        return REQUIREMENTS
    if pack.has(UV_LOCK):
        if not pack.has("pyproject.toml"):
            raise say.Refused(
                "There is a uv.lock but no pyproject.toml.\n"
                "uv.lock needs the pyproject.toml that it was made from: commit that file too."
            )
        return UV_LOCK
    raise say.Refused(_what_is_missing(pack))


def warn_of_committed_environment(pack):
    for name in _VIRTUALENV_NAMES:
        if pack.has(name, "pyvenv.cfg") or pack.has(name, "bin", "activate"):
            say.warning(
                f"the folder {name}/ is a virtual environment that was committed to git.\n"
                "It was made for another machine and is not used. Take it out of the repository:\n"
                f"  git rm -r --cached {name} && echo {name}/ >> .gitignore"
            )


def _check_requirements(pack):
    path = pack.path(REQUIREMENTS)
    if not os.path.isfile(path):
        raise say.Refused(
            "requirements.txt is a folder, not a file.\nCommit a file of that name that lists one package per line."
        )
    with open(path, "rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            raise say.Refused(
                "requirements.txt is saved as UTF-16.\n"
                "PowerShell's > writes that. Save it as UTF-8, for example with:\n"
                "  pip freeze | Out-File -Encoding utf8 requirements.txt"
            )


def _what_is_missing(pack):
    names = sorted(os.listdir(pack.build))
    misspelt = [name for name in names if name.lower() in (*MISSPELT, REQUIREMENTS)]
    if misspelt and os.path.isfile(pack.path(misspelt[0])):
        return (
            f"There is no requirements.txt, but a file called {misspelt[0]}.\n"
            f"If that lists your packages, rename it:\n  git mv {misspelt[0]} requirements.txt"
        )
    found = [name for name in OTHERS if name in names]
    if found:
        return (
            f"There is no requirements.txt and no uv.lock; {found[0]} alone cannot be installed yet.\n"
            f"Make one of them and commit it, for example with:\n  {OTHERS[found[0]]}"
        )
    folder = [f"requirements/{name}" for name in _text_files(pack.path("requirements"))]
    if folder:
        best = next((name for name in folder if "prod" in name), folder[0])
        return (
            "There is no requirements.txt at the root of the repository.\n"
            f"Make one that reads the file you want, for example:\n  echo '-r {best}' > requirements.txt"
        )
    return (
        "There is no requirements.txt and no uv.lock at the root of the repository.\n"
        "Commit a requirements.txt that lists one package per line, for example:\n  flask\n  gunicorn\n"
        "An empty file is fine if the app needs no package."
    )


def _text_files(folder):
    return sorted(name for name in os.listdir(folder) if name.endswith(".txt")) if os.path.isdir(folder) else []
