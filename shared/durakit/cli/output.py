"""What commands print: tables for people, JSON for programs; colours and progress only on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import click

from durakit.dashboard.text import visible, visible_lines

if TYPE_CHECKING:
    from rich.console import Console

FORMATS = ("table", "json", "jsonl")

STYLES = {
    "pending": "bright_black",
    "running": "blue",
    "suspended": "yellow",
    "attention": "yellow",
    "completed": "green",
    "failed": "red",
    "terminated": "magenta",
    "muted": "bright_black",
    "strong": "bold",
}
"""Tones, most of them statuses, as styles of rich. Colour is never alone: the word stands beside it."""


def output_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `-o`."""
    return click.option(
        "-o",
        "--output",
        "output",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="Form of the output; jsonl is one JSON object a line.",
    )(command)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        is_number: aligned to the right.
        may_shrink: cut on a narrow terminal; others stay whole, because people copy them.
    """

    title: str
    is_number: bool = False
    may_shrink: bool = False


@dataclass(frozen=True)
class Cell:
    """A value of a table; `tone` is a key of `STYLES`."""

    text: str
    tone: str = ""


class Output:
    """Where a command writes: results to stdout, everything else to stderr.

    Args:
        format: one of `FORMATS`.
        stdout, stderr: by default the process's.
        is_terminal: whether stdout is one; by default it is asked.
    """

    def __init__(
        self,
        format: str = "table",
        *,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        is_terminal: bool | None = None,
    ) -> None:
        self.format = format
        self._stdout = stdout or sys.stdout
        self._stderr = stderr or sys.stderr
        self.is_terminal = self._stdout.isatty() if is_terminal is None else is_terminal

    @property
    def is_table(self) -> bool:
        """Whether people read this."""
        return self.format == "table"

    def console(self) -> Console:
        """Return rich's console on stdout; only for terminals."""
        from rich.console import Console

        return Console(file=self._stdout, force_terminal=True, highlight=False)

    def json(self, value: Any) -> None:
        """Print a value, on one line with jsonl."""
        indent = 2 if self.format == "json" else None
        self._write(json.dumps(value, ensure_ascii=False, indent=indent))

    def objects(self, envelope: dict[str, Any], name: str) -> None:
        """Print an object that holds a list: whole with json, the list's items with jsonl."""
        if self.format == "json":
            self.json(envelope)
            return
        for item in envelope[name]:
            self.json(item)

    def line(self, text: str, tone: str = "") -> None:
        """Print a line for people; characters that would act on the terminal are shown as escapes."""
        self.lines(visible(text), tone)

    def lines(self, text: str, tone: str = "") -> None:
        """Print a text of several lines."""
        text = visible_lines(text)
        if self.is_terminal and tone:
            from rich.text import Text

            self.console().print(Text(text, STYLES.get(tone, "")), soft_wrap=True)
        else:
            self._write(text)

    def note(self, text: str) -> None:
        """Say what a reader must know beside the result."""
        self._stderr.write(f"{visible(text)}\n")
        self._stderr.flush()

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[Cell | str]]) -> None:
        """Print rows below their titles."""
        cells = [[_cell(each) for each in row] for row in rows]
        if self.is_terminal:
            self._rich_table(columns, cells)
        else:
            self._plain_table(columns, cells)

    def _plain_table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        lines = [[column.title.upper() for column in columns], *([cell.text for cell in row] for row in rows)]
        widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
        for line in lines:
            padded = [
                text.rjust(width) if column.is_number else text.ljust(width)
                for text, width, column in zip(line, widths, columns, strict=True)
            ]
            self._write("  ".join(padded).rstrip())

    def _rich_table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=STYLES["muted"])
        for column in columns:
            table.add_column(
                column.title,
                justify="right" if column.is_number else "left",
                no_wrap=column.may_shrink or column.is_number,
                overflow="ellipsis" if column.may_shrink else "fold",
                min_width=None if column.may_shrink else min(len(column.title), 8),
            )
        for row in rows:
            table.add_row(*(Text(cell.text, STYLES.get(cell.tone, "")) for cell in row))
        self.console().print(table)

    @contextmanager
    def progress(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show what goes on, on stderr while it is a terminal; the function given changes the text."""
        if not self._stderr.isatty():
            yield lambda text: None
            return
        from rich.console import Console
        from rich.text import Text

        console = Console(file=self._stderr, highlight=False)
        with console.status(Text(visible(text))) as status:
            yield lambda text: status.update(Text(visible(text)))

    def _write(self, text: str) -> None:
        self._stdout.write(f"{text}\n")
        self._stdout.flush()


def _cell(value: Cell | str) -> Cell:
    cell = Cell(value) if isinstance(value, str) else value
    return Cell(visible(cell.text), cell.tone)
