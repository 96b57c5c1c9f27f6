"""Makes releases: slug + config vars + process types, numbered per app, and runs the release phase.

In: an app and what is new (a slug, config vars, an older release). Out: a stored `Release`, and the `Launch` that the runner
starts. Who calls: `deploy.py` alone.
"""
