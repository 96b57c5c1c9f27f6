"""Visitors' HTTP in, requests to dynos out; a process of its own that outlives the daemon and is outlived by it.

In: tables (which host leads to which targets) and listening sockets from the daemon; HTTP/1 from visitors.
Out: requests to targets on 127.0.0.1, error pages, and to the daemon log lines, "drained" and "refused".
Who calls: `control.py` is the daemon's end (a room like any other); all the rest is the router process,
`python -m pushd.router`, which imports only model and kit so that it starts light and stays small.

A request walks client -> exchange -> upstream; `proxy` holds the table in force and what lives on between requests.
"""
