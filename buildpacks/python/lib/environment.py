"""The app's virtual environment: the complete one of the same inputs, or a new one made by uv where it will be used."""

import os

import say
from inputs import Inputs
from pack import write_whole

COMPLETE = ".complete"  # written last: an environment without it was never finished, and is made anew
_MADE_IN_APP = "made-in-app"  # files that installing -e . wrote into the app itself, for builds that install nothing


def provide(pack, tool, python):
    """The folder of an environment that holds what the app asks for. Raises: say.Refused with the installer's advice."""
    inputs = Inputs(pack, tool)
    folder = os.path.join(pack.environments, inputs.name(python))
    while _is_lost(folder):
        folder += "x"
    if _is_complete(folder):
        say.heading("Reusing the installed dependencies (nothing that decides them has changed)")
        _restore_made_files(pack, folder)
        return folder
    _make(pack, tool, python, inputs, folder)
    return folder


def _is_complete(folder):
    mark = os.path.join(folder, COMPLETE)
    return os.path.isfile(mark) and not os.path.islink(mark)


def _is_lost(folder):
    """Whether it is damaged and not ours to make anew: pushd keeps what a release needs."""
    return not _is_complete(folder) and os.path.lexists(folder) and os.lstat(folder).st_uid != os.geteuid()


def _make(pack, tool, python, inputs, folder):
    import shutil  # here and below: most builds install nothing, and start 20 ms sooner without these imports

    import installer

    shutil.rmtree(folder, ignore_errors=True)
    before = _files(pack.build) if inputs.local_paths else frozenset()
    try:
        installer.install(pack, tool, python, inputs.variables, folder)
        if inputs.local_paths:
            _keep_made_files(pack, folder, _files(pack.build) - before)
        _sync(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    write_whole(os.path.join(folder, COMPLETE), f"{python.version} {tool}\n")


def _sync(folder):
    """Bring the file system of `folder` to the disk: what is marked complete survives a power cut. Source: syncfs(2)."""
    import ctypes

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        ctypes.CDLL(None).syncfs(descriptor)
    finally:
        os.close(descriptor)


def _files(top):
    return {
        os.path.relpath(os.path.join(folder, name), top)
        for folder, _, names in os.walk(top)
        for name in names
        if "__pycache__" not in folder
    }


def _keep_made_files(pack, folder, made):
    import shutil

    for name in made:
        target = os.path.join(folder, _MADE_IN_APP, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy2(pack.path(name), target, follow_symlinks=False)


def _restore_made_files(pack, folder):
    kept = os.path.join(folder, _MADE_IN_APP)
    if os.path.isdir(kept):
        import shutil

        shutil.copytree(kept, pack.build, symlinks=True, dirs_exist_ok=True)
