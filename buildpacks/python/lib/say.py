"""What the person who pushed reads: headings, details, warnings, errors, each in Heroku's manner."""

import sys

HEADING, DETAIL, ATTENTION = "-----> ", "       ", " !     "


class Refused(Exception):
    """The build cannot go on: the first line says what is wrong and where, the others what to write instead."""


def heading(text):
    _write(HEADING + text + "\n")


def detail(text):
    _write("".join(DETAIL + line + "\n" if line.strip() else "\n" for line in text.splitlines()))


def warning(text):
    """Several lines that stand out, with the rest of the build to follow."""
    attention("Warning: " + text)


def attention(text):
    """Lines with the mark of a warning or an error, a blank one before and after."""
    _write("\n" + "".join((ATTENTION + line).rstrip() + "\n" for line in text.splitlines()) + "\n")


def _write(text):
    sys.stdout.write(text)
    sys.stdout.flush()
