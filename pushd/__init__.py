"""pushd: push to deploy on your own server, in Heroku's words."""

__version__ = "0.1.0"
