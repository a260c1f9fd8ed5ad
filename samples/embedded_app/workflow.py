"""A nightly import: the visits that branches send, without the customers' addresses, in one table.

Each branch is a step of its own, because pseudonyms take long: what a crash repeats is one file. Addresses
stay inside the activities; what goes through the history, and can be read there, are names and counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from durakit.task import ActivityContext, OrchestrationContext, TaskFailedError

from visits import (
    SAFE_COLUMNS,
    SLOW,
    TABLE_COLUMNS,
    Customers,
    Pseudonyms,
    VisitsError,
    key_in,
    row_problem,
    rows_of,
    write_table,
)

ANSWER = "visits_answer"
"""The external event that an import waits for when it asks what to do about bad rows."""

GO_ON, AGAIN = "go on", "again"
"""What it may say: leave the bad rows out, or the files are mended, read them again."""

NAMED_PROBLEMS = 3
"""Bad rows of a branch that are told one by one; results stay small."""


@dataclass(frozen=True)
class Night:
    """What is asked for; paths are absolute."""

    inbox: str
    """Folder with a CSV file for each branch."""
    output: str
    """Folder for the results of all nights, and for the key of the pseudonyms."""
    asks: bool = False
    """Wait for an answer when there are bad rows; otherwise they are left out and counted."""
    patience_seconds: float = 24 * 60 * 60.0
    """Without an answer for so long, bad rows are left out."""
    cost: int = SLOW

    @property
    def name(self) -> str:
        return Path(self.inbox).name

    @property
    def folder(self) -> Path:
        """Where its results go."""
        return Path(self.output, self.name)


@dataclass(frozen=True)
class BranchFile:
    night: Night
    name: str


@dataclass(frozen=True)
class Branch:
    """What became of one branch's file."""

    name: str
    visits: int
    bad_rows: int = 0
    problems: list[str] = field(default_factory=list)
    """The first of them, with line numbers."""


@dataclass(frozen=True)
class Joining:
    night: Night
    branches: list[Branch]


@dataclass(frozen=True)
class Visits:
    """The result of an import."""

    table: str
    visits: int
    customers: int
    in_several_branches: int
    amount: Decimal
    bad_rows: int


@dataclass
class Progress:
    """The custom status."""

    steps: int | None = None
    done: list[str] = field(default_factory=list)
    question: str | None = None


def import_id(inbox: Path) -> str:
    """Return the instance id of a night's import: whoever starts it again, means the same one."""
    return f"visits-{inbox.name}"


async def visits_import(ctx: OrchestrationContext, night: Night) -> Visits:
    """Import the visits of a night; fail with a sentence that says what is wrong with which file."""
    progress = Progress()
    try:
        names = await ctx.call_activity(visits_find_branches, input=night)
        progress.steps = len(names) + 1
        branches = {}
        for name in names:
            branches[name] = await import_branch(ctx, progress, BranchFile(night, name))
        if night.asks:
            await settle_bad_rows(ctx, progress, night, branches)
        visits = await ctx.call_activity(visits_join, input=Joining(night, list(branches.values())))
    except TaskFailedError as failure:
        # Written for people: the wrapping would only tell them which activity it was.
        raise VisitsError(failure.details.message) from failure
    tell(ctx, progress, f"{visits.visits} visits of {visits.customers} customers in one table")
    return visits


async def import_branch(ctx: OrchestrationContext, progress: Progress, file: BranchFile) -> Branch:
    branch = await ctx.call_activity(visits_hide_addresses, input=file)
    bad = f", {branch.bad_rows} bad: {'; '.join(branch.problems)}" if branch.bad_rows else ""
    tell(ctx, progress, f"{branch.name}: {branch.visits} visits{bad}")
    return branch


async def settle_bad_rows(
    ctx: OrchestrationContext, progress: Progress, night: Night, branches: dict[str, Branch]
) -> None:
    """Ask what to do about bad rows, until there are none, somebody lets go of them, or nobody answers."""
    until = ctx.current_utc_datetime + timedelta(seconds=night.patience_seconds)
    while bad := [branch for branch in branches.values() if branch.bad_rows]:
        rows = sum(branch.bad_rows for branch in bad)
        names = ", ".join(branch.name for branch in bad)
        progress.question = f"{rows} bad rows in {names}: {GO_ON} without them, or read the files {AGAIN}?"
        ctx.set_custom_status(progress)
        try:
            answer = await ctx.wait_for_external_event(ANSWER, timeout=until)
        except TimeoutError:
            answer = GO_ON
        progress.question = None
        if answer == GO_ON:
            break
        if answer == AGAIN:  # whatever else was said is no answer: the question stands
            progress.steps = (progress.steps or 0) + len(bad)
            for branch in bad:
                branches[branch.name] = await import_branch(ctx, progress, BranchFile(night, branch.name))
    ctx.set_custom_status(progress)


def tell(ctx: OrchestrationContext, progress: Progress, sentence: str) -> None:
    progress.done.append(sentence)
    ctx.set_custom_status(progress)


# The activities. A process can die after the work and before the result is on disk, so each may run twice; it
# then writes the same bytes to the same file.


def visits_find_branches(_: ActivityContext, night: Night) -> list[str]:
    """Return whose files there are; those that come later belong to another night."""
    try:
        names = sorted(path.stem for path in Path(night.inbox).iterdir() if path.suffix == ".csv")
    except OSError as error:
        raise VisitsError(f"{night.inbox} cannot be read: {error.strerror}") from None
    if not names:
        raise VisitsError(f"{night.inbox} has no CSV files")
    return names


def visits_hide_addresses(_: ActivityContext, file: BranchFile) -> Branch:
    """Write a branch's visits with pseudonyms in place of addresses."""
    pseudonyms = Pseudonyms(key_in(Path(file.night.output)), file.night.cost)
    good: list[tuple[str, str, str]] = []
    problems: list[str] = []
    for line, values in rows_of(Path(file.night.inbox, f"{file.name}.csv")):
        if problem := row_problem(values):
            problems.append(f"line {line}: {problem}")
        else:
            time, email, amount = values
            good.append((pseudonyms.of(email), time, amount))
    write_table(file.night.folder / f"{file.name}.csv", SAFE_COLUMNS, good)
    return Branch(file.name, len(good), len(problems), problems[:NAMED_PROBLEMS])


def visits_join(_: ActivityContext, joining: Joining) -> Visits:
    """Write one table of all customers."""
    customers = Customers()
    for branch in joining.branches:
        customers.add_branch(joining.night.folder / f"{branch.name}.csv")
    table = joining.night.folder / "all" / "customers.csv"
    write_table(table, TABLE_COLUMNS, customers.rows())
    return Visits(
        str(table),
        customers.visits,
        customers.count,
        customers.in_several_branches,
        customers.amount,
        sum(branch.bad_rows for branch in joining.branches),
    )


ACTIVITIES: list[Callable[..., object]] = [visits_find_branches, visits_hide_addresses, visits_join]
