"""Config vars: the user's settings of an app. Rules for names, sizes and changes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pushd.errors import InvalidParams
from pushd.model.secret import Environ

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
TOTAL_LIMIT_BYTES = 65_536  # all names and values; Heroku's own limit is 32 KiB


def changed(current: Mapping[str, str], changes: Mapping[str, str | None]) -> Environ:
    """The config vars after `changes`: a value sets, None unsets; an unknown name to unset is fine.

    Raises: InvalidParams for a name or value that no process could get, or if all together are too large. The text names
    the variable and never shows a value. Source: names as Heroku has them; NUL cannot stand in an environment.
    """
    result = dict(current)
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
            continue
        _check(name, value)
        result[name] = value
    size = sum(len(name.encode()) + len(value.encode()) for name, value in result.items())
    if size > TOTAL_LIMIT_BYTES:
        raise InvalidParams(
            f"Config vars would take {size} bytes together, more than the {TOTAL_LIMIT_BYTES} allowed.",
            remedy="Keep large values in a file of the app, or in its storage folder.",
        )
    return Environ(result)


def _check(name: str, value: str) -> None:
    if not _NAME.fullmatch(name) or name.startswith("__"):
        raise InvalidParams(
            f"Config var name {name[:64]!r} is not valid.",
            remedy="Use letters, digits and underscores, not starting with a digit or two underscores.",
        )
    if name.startswith("HEROKU_"):
        raise InvalidParams(f"Config var {name} is reserved: names that start with HEROKU_ are set by the platform.",
                            remedy="Pick another name.")  # fmt: skip
    if "\0" in value:
        raise InvalidParams(f"The value of {name} holds a NUL byte, which no process environment can hold.",
                            remedy="Encode it, for example as base64.")  # fmt: skip
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidParams(f"The value of {name} is not valid Unicode.", remedy="Send it as UTF-8.") from None
