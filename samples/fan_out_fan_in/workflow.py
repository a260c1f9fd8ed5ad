"""Count the words of every file in a folder: one activity for each file, some of them at a time.

How many files there are is known only once the folder was listed, and they may be many. So names travel as a
file that every activity reads its line of, counts come back as plain numbers, and each file that is done
makes room for the next one at once.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import os
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path

from durakit.task import (
    ActivityContext,
    OrchestrationContext,
    RetryPolicy,
    Task,
    TaskFailedError,
    when_any,
)

logger = logging.getLogger("fan_out_fan_in")

REASON_CHARACTERS = 80
"""What is kept of a failure's message, so that many failures still fit into one payload."""


class WordCountError(Exception):
    """The folder cannot be counted; the message is for the person who asked."""


class Uncountable(Exception):
    """This file has no words to count, and will not have any when it is tried again."""


@dataclass(frozen=True)
class CountRequest:
    """What the client asks for; paths are absolute, because the worker may run in another folder."""

    folder: str
    output: str
    """Folder that gets a folder for each run; workers on several machines must share it."""
    parallel: int = 32
    """How many files are counted at the same time, at most."""


@dataclass(frozen=True)
class ListFiles:
    folder: str
    run_folder: str


@dataclass(frozen=True)
class Listing:
    """The files of a folder, by reference: a name for each line of a file."""

    folder: str
    path: str
    files: int


@dataclass(frozen=True)
class CountFile:
    listing: Listing
    number: int
    """Which line of the listing, from 0."""


@dataclass(frozen=True)
class FileCount:
    name: str
    words: int


@dataclass(frozen=True)
class Counts:
    """What became of each file of a listing, in a form that stays small for many files."""

    listing: Listing
    words: list[int | None]
    """In the order of the listing; None for a file that could not be counted."""
    problems: dict[str, list[int]]
    """The numbers of those, by reason."""


@dataclass(frozen=True)
class FolderCount:
    """The result of a run."""

    counted: int
    failed: int
    words: int
    problems: dict[str, int]
    """How many files failed, by reason."""
    report: str
    """CSV file with a row for each file."""


@dataclass(frozen=True)
class Progress:
    """The custom status."""

    files: int
    done: int
    failed: int


PATIENCE = RetryPolicy(
    first_retry_interval=timedelta(seconds=1),
    backoff_coefficient=2,
    max_number_of_attempts=3,
    non_retryable_error_types=[Uncountable],
)
"""A network drive may be away for a moment; a picture will not turn into text."""


async def wordcount_folder(ctx: OrchestrationContext, request: CountRequest) -> FolderCount:
    """Count all files. Some that cannot be counted do not fail the run; a missing folder does."""
    run_folder = Path(request.output, "word-count-" + re.sub(r"[^\w.-]", "_", ctx.instance_id))
    log = ctx.create_replay_safe_logger(logger)
    if request.parallel < 1:
        raise WordCountError(f"{request.parallel} files at a time can never be all; ask for 1 or more")
    try:
        listing = await ctx.call_activity(
            wordcount_list_files, input=ListFiles(request.folder, str(run_folder))
        )
        log.info("%d files to count, %d at a time", listing.files, request.parallel)
        counts = await count_all(ctx, listing, request.parallel)
        log.info("all counted, adding up")
        return await ctx.call_activity(wordcount_write_report, input=counts)
    except TaskFailedError as failure:
        # What the activities raise is written for people: pass it on without the wrapping.
        raise WordCountError(failure.details.message) from failure


async def count_all(ctx: OrchestrationContext, listing: Listing, parallel: int) -> Counts:
    """Fan out over the listing, never more than `parallel` files at once, and collect what comes back."""
    counts = Counts(listing, words=[None] * listing.files, problems={})
    running: dict[Task[FileCount], int] = {}
    numbers = iter(range(listing.files))
    failed = 0
    for done in range(1, listing.files + 1):
        # A sliding window: whatever is done is replaced at once. In chunks, with one `when_all` after the
        # other, a single slow file would keep all the other places of its chunk empty.
        for number in islice(numbers, parallel - len(running)):
            task = ctx.call_activity(
                wordcount_count_file, input=CountFile(listing, number), retry_policy=PATIENCE
            )
            running[task] = number
        ended = await when_any(list(running))
        number = running.pop(ended)
        try:
            counts.words[number] = ended.get_result().words
        except TaskFailedError as failure:
            reason = failure.details.message[:REASON_CHARACTERS]
            counts.problems.setdefault(reason, []).append(number)
            failed += 1
        ctx.set_custom_status(Progress(listing.files, done, failed))
    return counts


# The activities. Each may run more than once (a worker can die after the work and before the answer), even
# twice at the same time, and leaves the same files behind.


def wordcount_list_files(_: ActivityContext, request: ListFiles) -> Listing:
    """Write down the names of all files in the folder, and below it."""
    folder = Path(request.folder)
    if not folder.is_dir():
        raise WordCountError(f"{folder} is not a folder on the worker's machine")
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    if not names:
        raise WordCountError(f"{folder} holds no files")
    content = "".join(f"{json.dumps(name)}\n" for name in names).encode()
    # Named after its content: should the folder change between two runs of this activity, then whoever
    # works with the one list is not disturbed by the other.
    path = Path(request.run_folder, f"files-{hashlib.sha256(content).hexdigest()[:12]}.txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
    return Listing(str(folder), str(path), len(names))


def wordcount_count_file(_: ActivityContext, item: CountFile) -> FileCount:
    """Count the words of one file; raise Uncountable when there is no point in trying again."""
    with open(item.listing.path, "rb") as lines:
        name = json.loads(next(islice(lines, item.number, None)))
    try:
        words = len(Path(item.listing.folder, name).read_text("utf-8").split())
    except UnicodeDecodeError:
        raise Uncountable("not a text in UTF-8") from None
    except FileNotFoundError:
        raise Uncountable("gone since the folder was listed") from None
    except PermissionError:
        raise Uncountable("the worker may not read it") from None
    except OSError as error:
        raise OSError(error.strerror or "cannot be read") from None
    return FileCount(printable(name), words)


def wordcount_write_report(_: ActivityContext, counts: Counts) -> FolderCount:
    """Write a row for each file, and return the totals."""
    with open(counts.listing.path, "rb") as lines:
        names = [printable(json.loads(line)) for line in lines]
    reasons = {number: reason for reason, numbers in counts.problems.items() for number in numbers}
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["file", "words", "problem"])
    for number, (name, count) in enumerate(zip(names, counts.words, strict=True)):
        writer.writerow([name, count, reasons.get(number)])
    report = Path(counts.listing.path).with_name("report.csv")
    write_whole(report, table.getvalue().encode())
    words = [count for count in counts.words if count is not None]
    return FolderCount(
        counted=len(words),
        failed=len(names) - len(words),
        words=sum(words),
        problems={reason: len(numbers) for reason, numbers in counts.problems.items()},
        report=str(report),
    )


ACTIVITIES: list[Callable[..., object]] = [
    wordcount_list_files,
    wordcount_count_file,
    wordcount_write_report,
]


# What the activities share.


def printable(name: str) -> str:
    """Return the name without what is not Unicode in it; some file systems allow any bytes."""
    return name.encode(errors="replace").decode()


def write_whole(path: Path, content: bytes) -> None:
    """Write the file so that nobody ever sees half of it."""
    draft = path.with_name(f".{uuid.uuid4().hex}")
    draft.write_bytes(content)
    os.replace(draft, path)
