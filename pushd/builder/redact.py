"""Build output on its way to its readers: secrets taken out, the words of the last error remembered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote

from pushd.builder.masks import BASE64, LINE_CHARACTERS, MOST_PER_BYTE, Mask, Masks, disguises, pieces
from pushd.kit.crash import crash_point
from pushd.kit.steering import without_steering

MIN_SECRET_CHARACTERS = 8  # shorter values are words such as `true`, and would tear holes into ordinary text
_MIN_PASSWORD_CHARACTERS = 4
_NAME_CHARACTERS = 64  # of a variable, as it is shown; it may be as long as all of the config
_LINE_LIMIT_BYTES = 1 << 16
_LEAST_KEPT_BYTES = 1 << 12  # of a line that is handed on in pieces: credentials of a URL may be that long
_CREDENTIALS = re.compile(r"(?<=://)([^\s/@:]*):([^\s/@]+)(?=@)")
_CREDENTIALS_IN_OUTPUT = re.compile(_CREDENTIALS.pattern.encode())


class BuildOutput:
    """Stands between a build and its readers; hands on whole lines, because a secret may come in two pieces.

    A line that may be one of wrapped base64 comes with the next one. Of one that is too long, the end is kept back as far as a
    secret may reach. What would steer the terminal of whoever pushes is gone, colours stay.

    Hidden: values of config vars, also as base64, in a URL, in JSON, quoted for the shell (masks.py), and credentials in URLs,
    such as those of package indexes in `environ`.
    """

    def __init__(self, write: Callable[[bytes], None], *, config: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self.last_error = ""  # how the last error began; buildpacks mark each of its lines with ` !     `
        self._inside_error = False
        self._write = write
        self._pending = b""
        self._looked_at = 0  # that many bytes of it are whole lines, which may be of wrapped base64
        names = _secret_texts(config, environ)
        shown = {piece: f"[{name[:_NAME_CHARACTERS]}]" for text, name in names.items() for piece in pieces(text)}
        self._masks = Masks({piece.encode(): name.encode() for piece, name in shown.items()})
        self._kept_bytes = max(_LEAST_KEPT_BYTES, MOST_PER_BYTE * self._masks.longest)

    def write(self, data: bytes) -> None:
        """Take output as it comes."""
        self._pending += data
        if ready := self._ready():
            head, self._pending = self._pending[:ready], self._pending[ready:]
            self._looked_at -= ready
            self._hand_on(self.clean(without_steering(head)))
            crash_point("workshop.compiling")
        if len(self._pending) > _LINE_LIMIT_BYTES + self._kept_bytes:
            self._hand_on_a_piece()

    def flush(self) -> None:
        """Hand on what has no line end yet."""
        if self._pending:
            self._hand_on(self.clean(without_steering(self._pending)))
            self._pending, self._looked_at = b"", 0

    def clean(self, data: bytes) -> bytes:
        """The same without secrets: each becomes the name of its variable in brackets, a log-in in a URL `****`."""
        return _masked(data, self._masks.find(data))

    def _ready(self) -> int:
        """How much can be handed on: up to the last line that nothing can go on after."""
        ready = 0
        while (end := self._pending.find(b"\n", self._looked_at)) >= 0:
            line = self._pending[self._looked_at : end].rstrip()[-LINE_CHARACTERS:]
            self._looked_at = end + 1
            if len(line) < LINE_CHARACTERS or line.strip(BASE64) or not self._masks.longest:
                ready = self._looked_at
        return ready

    def _hand_on_a_piece(self) -> None:
        """A secret that begins in the piece has its end in what is kept."""
        data = without_steering(self._pending)
        cut = max(0, len(data) - self._kept_bytes)
        masks = self._masks.find(data)
        cut = next((mask.end for mask in masks if mask.start < cut < mask.end), cut)
        self._pending, self._looked_at = data[cut:], 0
        self._hand_on(_masked(data[:cut], [mask for mask in masks if mask.end <= cut]))

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


def _masked(data: bytes, masks: Iterable[Mask]) -> bytes:
    pieces, at = [], 0
    for mask in masks:
        pieces += [data[at : mask.start], mask.shown]
        at = mask.end
    data = b"".join([*pieces, data[at:]])
    return _CREDENTIALS_IN_OUTPUT.sub(b"****", data) if b"://" in data else data


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
        for form in disguises(text):
            found.setdefault(form, name)
    return found


def _passwords(value: str) -> Iterable[str]:
    """Passwords in the URLs of a value, as they stand there and decoded."""
    for _, password in _CREDENTIALS.findall(value):
        for text in (password, unquote(password)):
            if len(text) >= _MIN_PASSWORD_CHARACTERS:
                yield text
