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

import click

from pushd.cli.spinner import Spinner


@dataclass(frozen=True, slots=True)
class Place:
    """Where the program runs: its environment and folder; commands get it as click's context object."""

    environ: Mapping[str, str]
    folder: Path


class Step:
    """One thing being done; `note` is told behind its end: "done, v5"."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.note = ""


@contextmanager
def doing(text: str) -> Iterator[Step]:
    """Tell on stderr that something is being done and how it ended: `Creating app... done, brisk-fjord-48213`."""
    step = Step(text)
    spinner = Spinner(f"{text}... ") if _moving() else None
    if spinner:
        spinner.start()
    end = click.style("failed", fg="red")
    try:
        yield step
        end = "done"
    except KeyboardInterrupt:
        end = "interrupted"
        raise
    finally:
        if spinner:
            spinner.stop()
        note = f", {step.note}" if step.note else ""
        click.echo(f"{text}... {end}{note}", err=True)


def out(text: str) -> None:
    """One line (or several) of what was asked for."""
    click.echo(text)


def hint(text: str) -> None:
    """What one may want to do next; beside the data, on stderr."""
    click.echo(text, err=True)


def warn(text: str) -> None:
    """Something that went otherwise than one may think."""
    click.echo(f"{click.style(' !', fg='yellow')}    {printable(text)}", err=True)


def error(message: str, remedy: str = "") -> None:
    """Why it was refused, and what to do."""
    for line in [*message.splitlines(), *remedy.splitlines()]:
        click.echo(f"{click.style(' !', fg='red')}    {printable(line)}", err=True)


def usage_error(refused: click.UsageError) -> None:
    """What is wrong with the command line, and where the help is."""
    error(refused.format_message())
    if refused.ctx and refused.ctx.info_name and refused.ctx.parent:
        click.echo(refused.ctx.get_usage(), err=True)
        click.echo(f"See `pushd help {refused.ctx.info_name}`.", err=True)


def json(value: object) -> None:
    """The value for a program to read."""
    click.echo(json_module.dumps(value, indent=2, ensure_ascii=False))


def heading(text: str) -> None:
    """A title above what follows; an empty line stands below it."""
    click.echo(click.style(f"=== {printable(text)}", bold=True) + "\n")


def pairs(rows: Mapping[str, object], *, raw: bool = False) -> None:
    """Names and values, aligned; with `raw` values are printed as they are, with whatever is in them."""
    width = max((len(name) for name in rows), default=0) + 1
    for name, value in rows.items():
        shown = str(value) if raw else printable(str(value))
        click.echo(f"{click.style(f'{name}:', fg='cyan')}{' ' * (width - len(name))}{shown}")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Rows below column titles: folded to a terminal's width, or aligned with blanks and never cut in a pipe."""
    texts = [[printable("" if cell is None else str(cell)) for cell in row] for row in rows]
    if sys.stdout.isatty():
        return _terminal_table(columns, texts)
    widths = [max(len(row[i]) for row in [columns, *texts]) for i in range(len(columns))]
    for row in [columns, *texts]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


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


def printable(text: str) -> str:
    """The text without control characters: what others wrote must not steer the terminal."""
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _span(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    for limit, divisor, unit in ((60, 1, "s"), (3600, 60, "m"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{seconds // divisor}{unit}"
    return f"{seconds // 86400}d"


def _moving() -> bool:
    context = click.get_current_context(silent=True)
    return sys.stderr.isatty() and not (context and context.color is False)


def _terminal_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    context = click.get_current_context(silent=True)
    Console(no_color=bool(context and context.color is False), highlight=False).print(shown)
