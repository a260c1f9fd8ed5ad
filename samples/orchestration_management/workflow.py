"""An import of several files, one child orchestration each: something to suspend, end, repeat and mend."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from durakit.task import ActivityContext, OrchestrationContext, TaskFailedError, when_all

RELEASE = "release"
"""The external event that a held file waits for."""

COLUMNS = ["day", "amount"]


class ImportFailed(Exception):
    """The import cannot be finished; the message is for the person who started it."""


@dataclass(frozen=True)
class ImportRequest:
    """What the client asks for."""

    folder: str
    """Absolute, because the worker may run in another folder."""
    files: list[str]
    held: bool = False
    """Whether each file waits until somebody releases it."""


@dataclass(frozen=True)
class FileRequest:
    path: str
    held: bool


@dataclass(frozen=True)
class Imported:
    """Sums of one file, or of all."""

    rows: int
    amount: Decimal


async def managed_import(ctx: OrchestrationContext, request: ImportRequest) -> Imported:
    """Import all files side by side; fail with the reason if one cannot be imported."""
    children = [
        ctx.call_sub_orchestrator(
            managed_import_file,
            input=FileRequest(str(Path(request.folder, name)), request.held),
            # Begins with this one's id, so that a query by prefix finds the family.
            instance_id=f"{ctx.instance_id}-{name}",
        )
        for name in request.files
    ]
    try:
        parts = await when_all(children)
    except TaskFailedError as failure:
        raise ImportFailed(failure.details.message) from failure
    return Imported(sum(part.rows for part in parts), sum((part.amount for part in parts), Decimal(0)))


async def managed_import_file(ctx: OrchestrationContext, request: FileRequest) -> Imported:
    """Import one file, as soon as it is released if it is held."""
    if request.held:
        ctx.set_custom_status(f"waiting for the event {RELEASE!r}")
        await ctx.wait_for_external_event(RELEASE)
        ctx.set_custom_status("released")
    try:
        return await ctx.call_activity(managed_read_file, input=request.path)
    except TaskFailedError as failure:
        raise ImportFailed(failure.details.message) from failure


def managed_read_file(_: ActivityContext, path: str) -> Imported:
    """Return how many rows the CSV file has, and the sum of their amounts. Reading twice does no harm."""
    name = Path(path).name
    try:
        with open(path, encoding="utf-8", newline="") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except FileNotFoundError:
        raise ImportFailed(f"{path} does not exist on the worker's machine") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ImportFailed(f"{path} cannot be read: {error}") from None
    if header != COLUMNS:
        raise ImportFailed(f"{name} begins with {','.join(header)!r}, expected {','.join(COLUMNS)!r}")
    amount = Decimal(0)
    for line, row in enumerate(rows, 2):
        try:
            _day, text = row
            amount += Decimal(text)
        except (ValueError, InvalidOperation):
            raise ImportFailed(f"{name}, line {line}: no day and amount in {','.join(row)!r}") from None
    return Imported(len(rows), amount)


ORCHESTRATORS: list[Callable[..., object]] = [managed_import, managed_import_file]
ACTIVITIES: list[Callable[..., object]] = [managed_read_file]
