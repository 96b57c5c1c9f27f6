"""A typed client of our HTTP API, quick to import: http.client only, no event loop.

In: which app, server and token a person means (`discovery`), and calls (`Client`). Out: the API's JSON as typed
dictionaries, refusals as `PushdError`s with a next step. Called by `cli/` and by tests.
"""
