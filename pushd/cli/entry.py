"""The entry of `pushd`, `git-pushd` and `python -m pushd`.

git asks its credential helper twice during each push and waits for both: that is answered here, before anything is imported.
"""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line of this process; its exit code."""
    if sys.argv[1:2] == ["git:credentials"] and sys.argv[2:] in (["get"], ["store"], ["erase"]):
        _answer_git(get=sys.argv[2] == "get")
        return _end(0)
    from pushd.cli.main import main as run_command

    code = run_command()
    return code if sys.argv[1:2] == ["serve"] else _end(code)


def _answer_git(*, get: bool) -> None:
    """`git:credentials` as git calls it; `cli/git.py` has its help, and what to say of a mistyped one."""
    question = sys.stdin.buffer.read()  # also when it is not needed: git must not write to nobody
    if get:
        from pushd.client.tokens import answer_git, why_no_answer
        from pushd.surroundings import process_environ

        environ = process_environ()
        if answer := answer_git(question, environ):
            sys.stdout.buffer.write(answer)
        elif why := why_no_answer(question, environ):
            print(why, file=sys.stderr)  # git goes on by itself: it asks at the terminal, or fails


def _end(code: int) -> int:
    """End at once: taking the interpreter apart would cost a fifth of a command's time, and all that we opened is closed."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream:  # none, when whoever started us had closed it
                stream.flush()
    except OSError:
        return code  # the interpreter tells of it in its own way
    os._exit(code)
