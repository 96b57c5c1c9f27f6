"""The `pushd` program: commands that talk to the API through `client/`, and `serve`, which becomes the daemon.

In: a command line and an environment. Out: text for a person (or `--json`), and an exit code: 0 done, 1 refused, 2 usage.
`main.py` is the entry; `commands.py` names every command and the module that has it, imported only when it runs.
"""
