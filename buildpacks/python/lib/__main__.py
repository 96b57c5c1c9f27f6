"""bin/compile: from a Python app's files to an environment that holds what it needs, built at its final path.

An environment is named by everything that decides its content, so one that is complete is used as it is: no installer starts.
"""

import os
import sys

import environment
import manager
import pythons
import runtime
import say
import steps
from pack import Pack


def compile_app(pack):
    """Prepare the app in `pack.build`. Raises: say.Refused."""
    manager.warn_of_committed_environment(pack)
    steps.run(pack, "pre_compile", environment=None)
    tool = manager.find_manager(pack)
    python = pythons.find_python(pack, tool)
    say.heading(f"Using Python {python.version} {python.why}")
    ready = environment.provide(pack, tool, python)
    runtime.write_profile(pack, ready)
    pack.report("environment", os.path.basename(ready))
    steps.collect_static(pack, ready)
    steps.run(pack, "post_compile", environment=ready)
    runtime.compile_sources(pack, ready)
    runtime.suggest_procfile(pack)


def main():
    try:
        compile_app(Pack(*sys.argv[1:4], environ=dict(os.environ)))
    except say.Refused as refusal:
        say.attention(str(refusal))
        return 1
    except RecursionError:  # as those who walk through folders have it
        say.attention("Folders of the app are nested too deep.\nLook for what makes a folder in a folder without end.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
