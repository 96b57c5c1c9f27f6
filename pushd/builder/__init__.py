"""From a commit to a slug.

In: an app, a commit to check out, its config vars and settings. Out: a `Built`: a slug that is stored and whose folder is
in place, or `BuildFailed`. Who calls: `deploy.py`. Buildpacks do the work, in the app's sandbox; this room gives them
their folders, shows what they say, and keeps what they made.
"""
