"""Keeps what must survive: one SQLite file, written by one thread, in words of `model/`.

In: model values, and plain arguments. Out: model values; `NotFound`, `InvalidParams`, `Conflict`, `DiskFull`. Who calls: every
room but the router, through the `Store` that `daemon.py` opens. Only this room holds SQL.
"""
