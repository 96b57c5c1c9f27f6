"""Procfile: which process types an app has, and the command of each. Read line by line, nothing dropped silently."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from honcho import environ as honcho

from pushd.errors import PushdError

_LINE = re.compile(r"[ \t]*(?P<name>[A-Za-z0-9_-]+)[ \t]*:[ \t]*(?P<command>\S.*?)[ \t]*")
_NAME_LIMIT = 30
_TYPES_LIMIT = 500  # what is asked of an app's formation looks at all of them
_SHOWN_CHARACTERS = 80
_EXAMPLE = "Write one process type per line, for example:  web: gunicorn hello:app"


class ProcfileError(PushdError):
    """A line of the Procfile cannot be read; the text names it by number (HTTP 422)."""

    id, status = "invalid_params", 422

    def __init__(self, line_number: int, line: str, why: str, *, remedy: str = _EXAMPLE) -> None:
        shown = line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 3] + "..."
        shown = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in shown)
        super().__init__(f"Procfile line {line_number} cannot be read: {why}: {shown}", remedy=remedy)
        self.line_number = line_number


def parse_procfile(data: bytes) -> Mapping[str, str]:
    """Process types in the order of the file: "web" -> "gunicorn hello:app".

    Taken:   a byte order mark, CRLF and CR line ends, blanks around name, colon and command, empty lines, # lines.
    Raises:  ProcfileError for all else: no colon, bad name, no command, a type twice, too many, control characters, not UTF-8.
    Source:  Heroku's format, by honcho's parser: it gets the clean lines, because alone it drops odd ones without a word.
    """
    clean: dict[str, str] = {}
    for number, line in enumerate(_lines(data), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, command = _parse_line(number, line)
        if name in clean:
            raise ProcfileError(number, line, f"{name} is there twice", remedy="Keep one of the two lines.")
        clean[name] = command
        if len(clean) > _TYPES_LIMIT:
            raise ProcfileError(number, line, f"an app has {_TYPES_LIMIT} process types at most", remedy="Leave some out.")
    return MappingProxyType(dict(honcho.parse_procfile(procfile_text(clean)).processes))


def procfile_text(process_types: Mapping[str, str]) -> str:
    """The clean text of a Procfile, one `name: command` per line."""
    return "".join(f"{name}: {command}\n" for name, command in process_types.items())


def is_declarable(process_types: Mapping[str, str]) -> bool:
    """Whether a Procfile could declare exactly these: what comes by another way keeps to the same rules."""
    try:
        return dict(parse_procfile(procfile_text(process_types).encode("utf-8", "replace"))) == dict(process_types)
    except ProcfileError:
        return False


def _lines(data: bytes) -> list[str]:
    rows = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    texts = []
    for number, row in enumerate(rows, start=1):
        try:
            texts.append(row.decode())
        except UnicodeDecodeError:
            raise ProcfileError(
                number, row.decode("ascii", "backslashreplace"), "it is not UTF-8", remedy="Save the Procfile as UTF-8."
            ) from None
    return texts


def _parse_line(number: int, line: str) -> tuple[str, str]:
    if any(not each.isprintable() and each != "\t" for each in line):  # honcho would break lines at some of them
        raise ProcfileError(number, line, "it holds a control character", remedy="Remove it; blanks and tabs are fine.")
    found = _LINE.fullmatch(line)
    if found is None:
        raise ProcfileError(number, line, _what_is_wrong(line))
    name, command = found["name"], found["command"]
    if len(name) > _NAME_LIMIT:
        raise ProcfileError(number, line, f"the name has more than {_NAME_LIMIT} characters")
    return name, command


def _what_is_wrong(line: str) -> str:
    name, colon, command = line.partition(":")
    if not colon:
        return "there is no colon after a process type's name"
    if not command.strip():
        return f"there is no command after {name.strip()}:" if name.strip() else "there is neither a name nor a command"
    return "a process type's name takes letters, digits, - and _ only"
