"""Everything that people see: what was done, tables, errors. Data goes to stdout, news of the work to stderr.

Colours and moving progress only on a terminal, plain text in a pipe.
"""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import click

from pushd.cli.spinner import Spinner


@dataclass(frozen=True, slots=True)
class Place:
    """Where the program runs: its environment and folder; commands get it as click's context object."""

    environ: Mapping[str, str]
    folder: Path


class Step:
    """One thing being done; `note` is told behind its `end`: "done, v5"."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.end = "done"
        self.note = ""


@contextmanager
def doing(text: str) -> Iterator[Step]:
    """Tell on stderr that something is being done and how it ended: `Creating app... done, brisk-fjord-48213`."""
    step = Step(text)
    spinner = Spinner(f"{text}... ") if sys.stderr.isatty() and _wants_colours() else None
    if spinner:
        spinner.start()
    end = paint("failed", sys.stderr, fg="red")
    try:
        yield step
        end = step.end
    except KeyboardInterrupt:
        end = "interrupted"
        raise
    finally:
        if spinner:
            spinner.stop()
        note = f", {step.note}" if step.note else ""
        hint(f"{text}... {end}{note}")


def out(text: str) -> None:
    """One line (or several) of what was asked for, byte for byte; out at once, a tail has readers."""
    _write(sys.stdout, text)


def hint(text: str) -> None:
    """What one may want to do next; beside the data, on stderr."""
    _write(sys.stderr, text)


def warn(text: str) -> None:
    """Something that went otherwise than one may think."""
    hint(f"{paint(' !', sys.stderr, fg='yellow')}    {printable(text)}")


def error(message: str, remedy: str = "") -> None:
    """Why it was refused, and what to do."""
    for line in [*message.splitlines(), *remedy.splitlines()]:
        hint(f"{paint(' !', sys.stderr, fg='red')}    {printable(line)}")


def usage_error(refused: click.UsageError) -> None:
    """What is wrong with the command line, and where the help is."""
    error(refused.format_message())
    if refused.ctx and refused.ctx.info_name and refused.ctx.parent:
        hint(refused.ctx.get_usage())
        hint(f"See `pushd help {refused.ctx.info_name}`.")
    elif isinstance(refused, click.NoSuchOption):
        hint("Options stand behind the command: pushd COMMAND [OPTIONS]. `pushd help` lists the commands.")


def json(value: object) -> None:
    """The value for a program to read."""
    out(json_module.dumps(value, indent=2, ensure_ascii=False))


def heading(text: str) -> None:
    """A title above what follows; an empty line stands below it."""
    out(paint(f"=== {printable(text)}", sys.stdout, bold=True) + "\n")


def pairs(rows: Mapping[str, object], *, raw: bool = False) -> None:
    """Names and values, aligned; `raw` values are printed as `as_it_is` has them."""
    width = max((len(name) for name in rows), default=0) + 1
    for name, value in rows.items():
        shown = as_it_is(str(value)) if raw else printable(str(value))
        out(f"{paint(f'{name}:', sys.stdout, fg='cyan')}{' ' * (width - len(name))}{shown}")


def as_it_is(value: str) -> str:
    """What somebody else may have written, with whatever is in it; on a terminal without what would steer that."""
    from pushd.kit.steering import text_without_steering

    return text_without_steering(value) if sys.stdout.isatty() else value


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, fold: bool = True) -> None:
    """Rows below column titles: folded to a terminal's width, or aligned with blanks and never cut in a pipe."""
    texts = [[printable("" if cell is None else str(cell)) for cell in row] for row in rows]
    if fold and sys.stdout.isatty():
        return _terminal_table(columns, texts)
    widths = [max(len(row[i]) for row in [columns, *texts]) for i in range(len(columns))]
    for row in [columns, *texts]:
        out("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def when(text: str, *, now: datetime | None = None) -> str:
    """`2026-01-02T03:04:05Z` -> `2026/01/02 03:04:05 +0000 (~ 3m ago)`; another text comes back as it is."""
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return text
    return f"{at:%Y/%m/%d %H:%M:%S %z} (~ {_span((now or datetime.now(UTC)) - at)} ago)"


def size(count: int | None) -> str:
    """1536 -> "2 KB"; None -> "0 B"."""
    amount, unit = float(count or 0), "B"
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}"


def paint(text: str, stream: IO[str], *, fg: str | None = None, bold: bool | None = None) -> str:
    """The text in a colour or in bold, if the stream is a terminal and the person wants colours."""
    return click.style(text, fg=fg, bold=bold) if stream.isatty() and _wants_colours() else text


def printable(text: str) -> str:
    """The text without control characters: what others wrote must not steer the terminal."""
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _span(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    for limit, divisor, unit in ((60, 1, "s"), (3600, 60, "m"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{seconds // divisor}{unit}"
    return f"{seconds // 86400}d"


def _write(stream: IO[str], text: str) -> None:
    stream.write(text + "\n")
    stream.flush()


def _wants_colours() -> bool:
    context = click.get_current_context(silent=True)
    return not (context and context.color is False)  # NO_COLOR, see main.py


def _terminal_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    Console(no_color=not _wants_colours(), highlight=False).print(shown)
