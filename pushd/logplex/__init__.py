"""Keeps and serves the log lines of apps.

In: the FIFOs of dynos (`open`), the platform's own lines (`say`). Out: `tail`, the last lines and then the live ones. Who
calls: the runner and the router's control for writing, the API for reading.

Bytes move from a FIFO into a segment file by splice(2), never through a buffer of ours, and are split into lines and stamped
when somebody reads: writing is cheap, and a daemon that is killed in between loses and repeats nothing.
"""
