"""Build output on its way to its readers: secrets taken out, the words of the last error remembered."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus, unquote

from pushd.kit.crash import crash_point
from pushd.kit.steering import without_steering

MIN_SECRET_CHARACTERS = 8  # shorter values are words such as `true`, and would tear holes into ordinary text
_MIN_PASSWORD_CHARACTERS = 4
_URL_SAFE = str.maketrans("+/", "-_")  # RFC 4648 section 5
_LINE_LIMIT_BYTES = 1 << 16
_CREDENTIALS = re.compile(r"(?<=://)([^\s/@:]*):([^\s/@]+)(?=@)")


class BuildOutput:
    """Stands between a build and its readers; hands on whole lines, because a secret may come in two pieces.

    What would steer the terminal of whoever pushes is gone, colours stay.

    Hidden: values of config vars, also as base64 or in a URL, and credentials in URLs, such as those of package indexes in
    `environ`.
    """

    def __init__(self, write: Callable[[bytes], None], *, config: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self.last_error = ""  # how the last error began; buildpacks mark each of its lines with ` !     `
        self._inside_error = False
        self._write = write
        self._pending = b""
        names = _secret_texts(config, environ)
        self._names = {text.encode(): f"[{name}]".encode() for text, name in names.items()}
        self._pattern = re.compile(b"|".join(re.escape(text) for text in sorted(self._names, key=len, reverse=True)) or b"(?!)")

    def write(self, data: bytes) -> None:
        """Take output as it comes."""
        head, newline, tail = (self._pending + data).rpartition(b"\n")
        self._pending = tail
        if newline:
            self._hand_on(self.clean(without_steering(head + newline)))
            crash_point("workshop.compiling")
        if len(self._pending) > _LINE_LIMIT_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand on what has no line end yet."""
        if self._pending:
            self._hand_on(self.clean(without_steering(self._pending)))
            self._pending = b""

    def clean(self, data: bytes) -> bytes:
        """The same without secrets: each becomes the name of its variable in brackets, a log-in in a URL `****`."""
        data = self._pattern.sub(lambda found: self._names[found[0]], data)
        return _CREDENTIALS.sub("****", data.decode("utf-8", "replace")).encode() if b"://" in data else data

    def clean_text(self, text: str) -> str:
        """`clean` for text."""
        return self.clean(text.encode()).decode()

    def _hand_on(self, data: bytes) -> None:
        for line in data.decode("utf-8", "replace").splitlines():
            marked = line.lstrip().startswith("!")
            words = line.strip().lstrip("!").strip()
            if marked and not self._inside_error and words and not words.lower().startswith("warning"):
                self.last_error = words
            self._inside_error = marked
        self._write(data)


def _forms(text: str) -> Iterator[str]:
    """The same text as programs like to print it: as it is, in a URL, in JSON, in base64.

    Base64 of something longer, such as the `user:password` of a header, holds the text in one of three shapes, by where
    it begins; what neighbours share in is left away. Forms that are no longer than a word could be anything and are left out.
    """
    yield text
    data = text.encode()
    found = [
        quote(text, safe=""),
        quote(text),
        quote_plus(text),
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
    ]
    for before in range(3):
        padded = b"\0" * before + data
        whole = base64.b64encode(padded).rstrip(b"=").decode()
        first, last = -(-before * 8 // 6), len(padded) * 8 // 6
        found += [whole[first:last], whole[first:last].translate(_URL_SAFE)]
    yield from (form for form in dict.fromkeys(found) if form != text and len(form) >= MIN_SECRET_CHARACTERS)


def _secret_texts(config: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Each text to hide -> the variable it is from. Lines of a value count alone: output shows it line by line."""
    found: dict[str, str] = {}
    for name, value in config.items():
        for line in (value, *value.splitlines()):
            if len(line.strip()) >= MIN_SECRET_CHARACTERS:
                found.setdefault(line.strip(), name)
        found.update((password, name) for password in _passwords(value))
    for name, value in environ.items():
        found.update((password, name) for password in _passwords(value))
    for text, name in list(found.items()):
        for form in _forms(text):
            found.setdefault(form, name)
    return found


def _passwords(value: str) -> Iterable[str]:
    """Passwords in the URLs of a value, as they stand there and decoded."""
    for _, password in _CREDENTIALS.findall(value):
        for text in (password, unquote(password)):
            if len(text) >= _MIN_PASSWORD_CHARACTERS:
                yield text
