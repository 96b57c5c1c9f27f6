"""Small tools that have never heard of pushd: tasks, time, processes, files, logfmt, sockets.

Nothing in here imports another room; every room may import it.
"""
