"""The entry of `pushd`, `git-pushd` and `python -m pushd`.

git asks its credential helper twice during each push and waits for both: that is answered here, before anything is imported.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line of this process; its exit code."""
    if sys.argv[1:2] == ["git:credentials"] and sys.argv[2:] in (["get"], ["store"], ["erase"]):
        return _credentials(get=sys.argv[2] == "get")
    from pushd.cli.main import main as run_command

    return run_command()


def _credentials(*, get: bool) -> int:
    """`git:credentials` as git calls it; `cli/git.py` has its help, and what to say of a mistyped one."""
    question = sys.stdin.buffer.read()  # also when it is not needed: git must not write to nobody
    if get:
        from pushd.client.tokens import answer_git
        from pushd.surroundings import process_environ

        sys.stdout.buffer.write(answer_git(question, process_environ()))
    return 0
