"""uv at work: makes the environment at its final path, shows uv's own words, and adds what to do about them."""

import os
import subprocess

import say
from manager import REQUIREMENTS

# What uv says, and what that means for the person who pushed; the first that fits is shown.
_ADVICE = (
    (("no space left", "disk quota"),
     "The disk of the server is full: the operator has to make room, then push again."),
    (("not found in the package registry", "not found in the provided package locations"),
     "No package of that name is where we look: check the spelling in {file}, or name its index there with --extra-index-url."),
    (("no version of", "only the following versions", "no versions of", "there are no versions"),
     "That version was never published, or not for this Python: change it in {file}."),
    (("requires-python", "python version does not satisfy", "current python version", "depends on python"),
     "A package in {file} needs another Python: name it in .python-version, or choose another version of the package."),
    (("conflict", "incompatible", "unsatisfiable"),
     "Two packages in {file} want different versions of a third: loosen one of them."),
    (("hash mismatch", "hashes"),
     "A package does not have the hash that {file} gives: make the file anew if you trust the package."),
    (("lockfile", "needs to be updated"),
     "uv.lock and pyproject.toml do not fit together: run `uv lock` and commit uv.lock."),
    (("couldn't parse", "expected one of", "unexpected", "invalid"),
     "{file} has a line that cannot be read: one package per line, such as flask==3.0.3."),
    (("pg_config", "error: command 'gcc'", "error: command 'cc'", "not found: gcc", "failed to build", "build backend"),
     "A package has to be compiled and could not be: choose a version with a ready wheel for this Python (psycopg2-binary\n"
     "instead of psycopg2), or have the operator install the compiler and headers that it needs."),
    (("no such file", "file not found", "does not exist", "failed to read"),
     "A file that {file} names is not in the repository: commit it, or correct the path."),
    (("401", "403", "unauthorized", "forbidden", "credentials"),
     "The package index refused the log-in: check the credentials in the index URL (config var PIP_EXTRA_INDEX_URL)."),
    (("dns error", "connect", "timed out", "network", "unknownissuer", "error sending request", "failed to fetch"),
     "The package index could not be reached from this server: push again later, or ask the operator about its network."),
)  # fmt: skip


def install(pack, tool, python, variables, folder):
    """Make the environment `folder` and fill it. Raises: say.Refused after uv's own message was shown."""
    environ = _environ(pack, variables)
    say.heading("Installing dependencies with uv " + pack.uv_version)
    _uv(pack, environ, tool, ["venv", "--quiet", "--no-project", "--python", python.path, folder])
    if tool == REQUIREMENTS:
        environ.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # as pip does: the best version of all indexes
        arguments = ["pip", "install", "--python", os.path.join(folder, "bin", "python"), "--requirement", REQUIREMENTS]
    else:
        environ["UV_PROJECT_ENVIRONMENT"] = folder
        arguments = ["sync", "--locked", "--no-default-groups", "--python", python.path]
    _uv(pack, environ, tool, [*arguments, "--compile-bytecode"])


def _environ(pack, variables):
    kept = {name: value for name, value in pack.environ.items() if not name.startswith(("UV_", "PIP_", "PUSHD_", "PYTHON"))}
    kept.pop("VIRTUAL_ENV", None)
    return {
        **kept,
        **variables,
        "UV_CACHE_DIR": os.path.join(pack.environments, ".cache"),  # beside the environments: hard links do not cross mounts
        "UV_LINK_MODE": "hardlink",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "NO_COLOR": "1",
    }


def _uv(pack, environ, tool, arguments):
    """Run uv in the app's folder; its output is shown as it comes."""
    said = []
    try:
        with subprocess.Popen(
            [pack.uv, *arguments],
            cwd=pack.build,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            for line in process.stdout or ():
                if not line.startswith("Using Python "):  # said already, and this names a folder of the server
                    say.detail(line.rstrip() or " ")
                said = [*said[-200:], line]
    except OSError as error:
        raise say.Refused(
            f"The installer uv cannot be started: {error.strerror}.\nThe operator can mend it: pip install uv."
        ) from error
    if process.returncode < 0:
        raise say.Refused(
            f"uv was ended by signal {-process.returncode} while it installed {tool}.\n"
            "That happens when memory runs out: pushd resources:set build memory=6G"
        )
    if process.returncode:
        raise say.Refused(f"Cannot install the dependencies in {tool}; uv says why above.\n{_advice(''.join(said), tool)}")


def _advice(said, tool):
    said = said.lower()
    for signs, advice in _ADVICE:
        if any(sign in said for sign in signs):
            return advice.format(file=tool)
    return f"Mend {tool} and push again; `uv pip install -r {tool}` on your machine should show the same."
