"""What the app itself adds to its build: bin/pre_compile, bin/post_compile, and Django's static files."""

import os

import say
from pack import read_text

# Config vars of these names are not for the build: they would change which programs and libraries run here.
_HIDDEN = {
    "PATH",
    "HOME",
    "SHELL",
    "PWD",
    "IFS",
    "ENV",
    "BASH_ENV",
    "GIT_DIR",
    "PYTHONHOME",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "STACK",
}
_HIDDEN_PREFIXES = ("LD_", "PUSHD_")
_LAST_WORDS_SECONDS = 1  # for what a hook left running to end, after the hook itself
_DEPTH = 3  # manage.py is looked for so deep, as Heroku does


def run(pack, name, environment):
    """Run bin/<name> of the app, if it is there, with the config vars in its environment. Raises: say.Refused if it fails."""
    hook = pack.path("bin", name)
    if not os.path.isfile(hook):
        return
    say.heading(f"Running bin/{name}")
    os.chmod(hook, os.stat(hook).st_mode | 0o111)
    code = _run([hook], pack, environment, cwd=pack.build)
    if code == 126 or code == 127:
        raise say.Refused(
            f"bin/{name} cannot be started.\nIts first line must name a program that is there, such as #!/usr/bin/env bash, "
            "and its lines must end as on Unix (no CRLF)."
        )
    if code:
        raise say.Refused(f"bin/{name} ended with exit code {code}.\nIts output is above; a hook must end with 0.")


def collect_static(pack, environment):
    """Django's collectstatic, unless DISABLE_COLLECTSTATIC is set. Raises: say.Refused if it fails."""
    manage = _find_manage(pack) if _has_django(environment) else None
    if manage is None or pack.config.get("DISABLE_COLLECTSTATIC", "0") not in ("", "0"):
        return
    if "django.contrib.staticfiles" not in _settings_near(manage):
        return
    shown = os.path.relpath(manage, pack.build)
    say.heading(f"python {shown} collectstatic --noinput")
    python = os.path.join(environment, "bin", "python")
    if _run([python, shown, "collectstatic", "--noinput"], pack, environment, cwd=pack.build):
        raise say.Refused(
            "Django's collectstatic failed; its own message is above.\n"
            "Set STATIC_ROOT in the settings and the config vars that they read (`pushd config:set KEY=value`),\n"
            "or switch this step off: pushd config:set DISABLE_COLLECTSTATIC=1"
        )


def _run(argv, pack, environment, cwd):
    import subprocess  # most builds run no step, and start sooner without this import

    environ = {name: value for name, value in pack.environ.items() if not name.startswith("PUSHD_")}
    environ.update(
        (name, value) for name, value in pack.config.items() if name not in _HIDDEN and not name.startswith(_HIDDEN_PREFIXES)
    )
    environ.update(PYTHONUNBUFFERED="1", BUILD_DIR=pack.build, CACHE_DIR=pack.cache)
    if environment:
        environ["PATH"] = os.path.join(environment, "bin") + ":" + environ.get("PATH", "")
        environ["VIRTUAL_ENV"] = environment
        environ["PYTHONPATH"] = pack.build
    try:
        with subprocess.Popen(
            argv, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            for text in _output(process):
                say.detail(text)
    except OSError as error:
        say.detail(f"{argv[0]}: {error.strerror}")
        return 127
    return process.returncode


def _output(process):
    """Its whole lines as they come, until it has ended and its output too; what it left running is not waited for."""
    import select
    import time

    reading, pending, deadline = process.stdout.fileno(), b"", None
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    while deadline is None or time.monotonic() < deadline:
        ready = poll.poll(100)  # milliseconds
        data = os.read(reading, 1 << 16) if ready else b""
        if ready and not data:
            break
        head, newline, pending = (pending + data).rpartition(b"\n")
        if newline:
            yield head.decode("utf-8", "replace")
        if deadline is None and process.poll() is not None:
            deadline = time.monotonic() + _LAST_WORDS_SECONDS
    if pending:
        yield pending.decode("utf-8", "replace")


def _has_django(environment):
    library = os.path.join(environment, "lib")
    return any(os.path.isdir(os.path.join(library, name, "site-packages", "django")) for name in os.listdir(library))


def _find_manage(pack):
    for folder, folders, names in os.walk(pack.build):
        depth = 0 if folder == pack.build else os.path.relpath(folder, pack.build).count(os.sep) + 1
        folders[:] = sorted(name for name in folders if not name.startswith(".") and depth + 1 < _DEPTH)
        if "manage.py" in names:
            return os.path.join(folder, "manage.py")
    return None


def _settings_near(manage):
    """The text of all settings files below the folder of manage.py."""
    texts = []
    for folder, _, names in os.walk(os.path.dirname(manage)):
        inside = os.path.basename(folder) == "settings"
        texts += [
            read_text(os.path.join(folder, name)) for name in names if name.endswith(".py") and (inside or "settings" in name)
        ]
    return "\n".join(texts)
