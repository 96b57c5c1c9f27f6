"""A page whose words come from a config var, and a log line for each request."""

import logging
import os

from flask import Flask, request
from markupsafe import escape

logging.basicConfig(level=logging.INFO, format="%(message)s")

app = Flask(__name__)


@app.get("/")
def hello() -> str:
    greeting = os.environ.get("GREETING", "Hello from pushd")
    app.logger.info("said %r to %s", greeting, request.headers.get("User-Agent", "somebody"))
    return f"<!doctype html>\n<title>{escape(greeting)}</title>\n<h1>{escape(greeting)}</h1>\n"
