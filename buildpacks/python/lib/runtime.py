"""What the app finds when it runs: .profile.d/python.sh, compiled sources; and a Procfile to write, if there is none."""

import os

from pack import read_text, write_whole

# The folder that holds the profile is read by every dyno's shell before its command (Heroku's .profile.d).
_PROFILE = """\
export PATH={bin}:"$PATH"
export VIRTUAL_ENV={environment}
export PYTHONUNBUFFERED=1
export PYTHONPATH="${{PYTHONPATH-$HOME}}"
export LANG="${{LANG:-C.UTF-8}}"
export GUNICORN_CMD_ARGS="${{GUNICORN_CMD_ARGS---access-logfile -}}"
export FORWARDED_ALLOW_IPS="${{FORWARDED_ALLOW_IPS-*}}"
"""

# Below this much source the interpreter compiles it faster at boot than another process would now (docs/dev/builder.md).
_WORTH_COMPILING_BYTES = 200_000

_MAKERS = {"Flask": "gunicorn", "Quart": "hypercorn", "FastAPI": "uvicorn", "Starlette": "uvicorn", "Sanic": "sanic"}
_COMMANDS = {
    "gunicorn": "gunicorn {module}:{name}",
    "hypercorn": "hypercorn --bind 0.0.0.0:$PORT {module}:{name}",
    "uvicorn": "uvicorn --host 0.0.0.0 --port $PORT {module}:{name}",
    "sanic": "sanic --host 0.0.0.0 --port $PORT {module}.{name}",
}


def write_profile(pack, environment):
    folder = pack.path(".profile.d")
    os.makedirs(folder, exist_ok=True)
    write_whole(
        os.path.join(folder, "python.sh"),
        _PROFILE.format(bin=_quoted(os.path.join(environment, "bin")), environment=_quoted(environment)),
    )


def compile_sources(pack, environment):
    """Bytecode beside the app's own sources: a dyno's own copy is gone at its next start. Checked by hash, so edits count."""
    if _source_bytes(pack.build) < _WORTH_COMPILING_BYTES:
        return
    import subprocess

    python = os.path.join(environment, "bin", "python")
    command = [python, "-m", "compileall", "-qq", "--invalidation-mode", "checked-hash", "."]
    subprocess.run(command, cwd=pack.build, stdin=subprocess.DEVNULL, check=False)  # a source that does not compile is no error


def suggest_procfile(pack):
    """Leave a line for the message that a missing Procfile gets: the app object that the sources seem to hold."""
    if pack.has("Procfile"):
        return
    names = sorted(name for name in os.listdir(pack.build) if name.endswith(".py"))
    if "manage.py" in names:
        for name in sorted(os.listdir(pack.build)):
            if pack.has(name, "wsgi.py"):
                pack.report("suggestion", f"web: gunicorn {name}.wsgi")
                return
    for name in names:
        for line in read_text(pack.path(name)).splitlines():
            target, _, value = line.partition("=")
            server = _MAKERS.get(value.partition("(")[0].strip().rpartition(".")[2])
            if server and target.strip().partition(":")[0].isidentifier():
                words = {"module": name.removesuffix(".py"), "name": target.strip().partition(":")[0]}
                pack.report("suggestion", "web: " + _COMMANDS[server].format(**words))
                return


def _source_bytes(top):
    return sum(
        entry.stat(follow_symlinks=False).st_size
        for folder, _, _ in os.walk(top)
        for entry in os.scandir(folder)
        if entry.name.endswith(".py") and entry.is_file(follow_symlinks=False)
    )


def _quoted(text):
    """One word for the shell. Source: POSIX, quoting; as shlex.quote does."""
    return "'" + text.replace("'", "'\"'\"'") + "'"
