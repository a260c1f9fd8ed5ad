"""The files between the steps: read with care, written whole or not at all."""

from __future__ import annotations

import csv
import io
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

Row = dict[str, str]


class OrderReportError(Exception):
    """The report cannot be made; the message is for the person who asked for it."""


@dataclass(frozen=True)
class RowFile:
    """A CSV file that one step leaves for the next."""

    path: str
    rows: int


def read_table(path: Path, columns: list[str]) -> list[tuple[int, list[str]]]:
    """Return line number and values of each row of a file that people made; say what is wrong with it."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            table = [(reader.line_num, [value.strip() for value in row]) for row in reader if row]
    except FileNotFoundError:
        raise OrderReportError(f"{path} does not exist on the worker's machine") from None
    except OSError as error:
        raise OrderReportError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise OrderReportError(f"{path} is not a CSV file in UTF-8: {error}") from None
    if not table:
        raise OrderReportError(f"{path} is empty; its first line must be {','.join(columns)}")
    header = table[0][1]
    if header != columns:
        raise OrderReportError(f"{path} begins with {','.join(header)[:80]}; it must be {','.join(columns)}")
    return table[1:]


def read_rows(file: RowFile) -> list[Row]:
    """Return the rows that an earlier step wrote."""
    try:
        with open(file.path, encoding="utf-8", newline="") as source:
            return list(csv.DictReader(source))
    except FileNotFoundError:
        raise OrderReportError(
            f"{file.path} of an earlier step is not on this machine; let all workers share that folder"
        ) from None


def write_rows(path: Path, columns: list[str], rows: list[Row]) -> RowFile:
    """Write the rows, replacing what an earlier attempt at this step left."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())
    return RowFile(str(path), len(rows))


def write_atomically(path: Path, content: bytes) -> None:
    """Put the content in place so that nobody ever sees half of it."""
    # A name of its own each time: after a lost connection two workers may run the same step at once.
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # before the step is reported as done, or a power cut could undo it
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
