"""The HTTP API: Heroku's Platform API v3, and under `/-/` what it lacks.

In: requests of the Heroku CLI, our client, curl. Out: JSON, log sessions (SSE), output streams. `routes.py` lists every path;
a handler translates: request in, one call, response out. Who calls: `daemon.py` builds it with `server.make_application`.
"""
