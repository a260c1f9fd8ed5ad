"""Commands that act on one, several, or all matching instances: suspend, resume, terminate, purge."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import click

from durakit.cli.completing import instance_ids
from durakit.cli.connection import EXIT_CODES, Session, exit_code_of, scheduler_command
from durakit.cli.instances.choosing import filter_of, filter_options
from durakit.cli.output import Output
from durakit.cli.refusal import WrongUsage
from durakit.dashboard import words
from durakit.dashboard.backend import BackendError, BulkAct, BulkProgress
from durakit.dashboard.instances import STATUSES
from durakit.dashboard.lists import InstanceFilter, InstanceQuery
from durakit.dashboard.views.instance import why_not

_DONE = {"suspend": "Suspended", "resume": "Resumed", "terminate": "Terminated", "purge": "Purged"}
_POSSIBLE: dict[BulkAct, frozenset[str]] = {
    "suspend": frozenset({"pending", "running"}),
    "resume": frozenset({"suspended"}),
    "terminate": frozenset({"pending", "running", "suspended"}),
    "purge": frozenset({"completed", "failed", "terminated"}),
}
_PAGE = 1000
_AT_ONCE = 8

_REASON = click.option("--reason", metavar="TEXT", help="Why; it is kept in the history.")
_YES = click.option("--yes", is_flag=True, help="Do not ask before acting on all that match.")
_EVERYTHING = click.option(
    "--all", "everything", is_flag=True, help="On all instances for which it can be done."
)
_RECURSIVE = click.option(
    "--recursive/--no-recursive", default=True, help="Also their children; the default."
)


def _epilog(name: str, filter_example: str) -> str:
    return f"""
\b
Examples:
  durakit instances {name} po-1042
  durakit instances {name} po-1042 po-1043 po-1044
  durakit instances {name} {filter_example}

With a filter instead of ids, it says how many match and asks first.

{EXIT_CODES}
"""


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (_YES, _EVERYTHING, filter_options):
        command = option(command)
    return click.argument("ids", nargs=-1, metavar="[ID]...", shell_complete=instance_ids)(command)


@click.command("suspend", epilog=_epilog("suspend", "--name order* --reason stock-take"),
               short_help="Withhold turns from instances.")  # fmt: skip
@_options
@_REASON
@scheduler_command
async def suspend(session: Session, out: Output, *, reason: str | None, **chosen: Any) -> int:
    """Withhold turns from instances until they are resumed. Events that arrive meanwhile are kept."""
    return await _Many(session, out, "suspend", reason).run(**chosen)


@click.command("resume", epilog=_epilog("resume", "--all"), short_help="Let suspended instances go on.")
@_options
@_REASON
@scheduler_command
async def resume(session: Session, out: Output, *, reason: str | None, **chosen: Any) -> int:
    """Let suspended instances go on."""
    return await _Many(session, out, "resume", reason).run(**chosen)


@click.command("terminate", epilog=_epilog("terminate", "--name order* --from -1h --reason 'wrong file'"),
               short_help="End instances.")  # fmt: skip
@_options
@_REASON
@_RECURSIVE
@scheduler_command
async def terminate(
    session: Session, out: Output, *, reason: str | None, recursive: bool, **chosen: Any
) -> int:
    """End instances. Activities that already run are not stopped; their results are dropped."""
    return await _Many(session, out, "terminate", reason, recursive).run(**chosen)


@click.command("purge", epilog=_epilog("purge", "--status completed --to -30d --yes"),
               short_help="Delete ended instances.")  # fmt: skip
@_options
@_RECURSIVE
@scheduler_command
async def purge(session: Session, out: Output, *, recursive: bool, **chosen: Any) -> int:
    """Delete ended instances, history and result. Their ids become free."""
    return await _Many(session, out, "purge", None, recursive).run(**chosen)


class _Many:
    """One act on the instances that a command line chose."""

    def __init__(
        self, session: Session, out: Output, act: BulkAct, reason: str | None, recursive: bool = True
    ) -> None:
        self._session, self._out, self._act = session, out, act
        self._reason, self._recursive = reason, recursive

    async def run(self, ids: tuple[str, ...], everything: bool, yes: bool, **filters: Any) -> int:
        """Act; return the exit code."""
        wanted = filter_of(**filters)
        has_filter = everything or not wanted.is_empty or wanted.roots
        if bool(ids) == has_filter:
            wrong = (
                "Give ids or a filter, not both." if ids else "Which instances? Give ids, a filter, or --all."
            )
            raise WrongUsage(f"{wrong} See durakit instances {self._act} --help.")
        return await (self._on_ids(ids) if ids else self._on_filter(wanted, yes))

    # --- ids

    async def _on_ids(self, ids: tuple[str, ...]) -> int:
        results: list[dict[str, Any]] = []
        code = 0
        for instance_id in dict.fromkeys(ids):
            try:
                told = await self._one(instance_id)
            except BackendError as error:
                if error.trouble in ("unavailable", "denied"):
                    raise
                code = max(code, exit_code_of(error))
                results.append({"id": instance_id, "done": False, "error": error.message})
                self._out.note(f"durakit instances {self._act}: {error.message}")
            else:
                results.append({"id": instance_id, "done": True})
                if self._out.is_table:
                    self._out.line(told)
        if not self._out.is_table:
            self._out.objects({"act": self._act, "results": results}, "results")
        return code

    async def _one(self, instance_id: str) -> str:
        """Act on one instance; return what was done in words."""
        backend, hub = self._session.backend, self._session.hub
        if self._act == "purge":
            deleted = await backend.purge(hub, instance_id, recursive=self._recursive)
            if not deleted:
                row = (await backend.instance(hub, instance_id)).row
                raise BackendError("conflict", f"{instance_id} was not purged. {why_not('purge', row)}")
            others = f", and {words.counted(deleted - 1, 'child', 'children')}" if deleted > 1 else ""
            return f"Purged {instance_id}{others}."
        if self._act == "terminate":
            await backend.terminate(hub, instance_id, self._reason, recursive=self._recursive)
        elif self._act == "suspend":
            await backend.suspend(hub, instance_id, self._reason)
        else:
            await backend.resume(hub, instance_id, self._reason)
        return f"{_DONE[self._act]} {instance_id}."

    # --- a filter

    async def _on_filter(self, wanted: InstanceFilter, yes: bool) -> int:
        possible = _POSSIBLE[self._act]
        narrowed = replace(wanted, statuses=(wanted.statuses or possible) & possible)
        if not narrowed.statuses:
            known = ", ".join(status for status in STATUSES if status in possible)
            raise WrongUsage(f"Only instances that are {known} can be {_DONE[self._act].lower()}.")
        found = [each async for each in self._matching(narrowed, frozenset())]
        if not found:
            self._out.note(f"Nothing matches that could be {_DONE[self._act].lower()}. Nothing was changed.")
            return self._summary(BulkProgress(self._act, total=0))
        if not yes:
            self._ask(found)
        progress = await self._do(narrowed, found)
        return self._summary(progress)

    def _ask(self, found: list[str]) -> None:
        count = words.counted(len(found), "instance")
        if len(found) >= _PAGE:
            count = f"{len(found):,} instances or more"
        examples = ", ".join(found[:5]) + (", …" if len(found) > 5 else "")
        if not sys.stdin.isatty():
            raise WrongUsage(
                f"This would {self._act} {count}: {examples}. Say --yes to do it. Nothing was changed."
            )
        click.confirm(f"{self._act.capitalize()} {count}: {examples}?", abort=True, err=True)

    async def _matching(self, wanted: InstanceFilter, seen: frozenset[str]) -> AsyncIterator[str]:
        query = InstanceQuery(wanted, size=_PAGE)
        for row in (await self._session.backend.instances(self._session.hub, query)).rows:
            if row.id not in seen:
                yield row.id

    async def _do(self, wanted: InstanceFilter, found: list[str]) -> BulkProgress:
        """Act on what was found, and on what comes to light when that is out of the way."""
        told = BulkProgress(self._act, total=0)
        seen: frozenset[str] = frozenset()
        with self._out.progress(self._act) as tell:
            while found:
                seen |= frozenset(found)
                for at in range(0, len(found), _AT_ONCE):
                    outcomes = await asyncio.gather(*map(self._outcome, found[at : at + _AT_ONCE]))
                    told = _counted(told, outcomes, len(seen))
                    tell(f"{_DONE[self._act]} {told.done:,} of {len(seen):,}")
                was_page = len(found) >= _PAGE
                found = [each async for each in self._matching(wanted, seen)] if was_page else []
        return replace(told, is_finished=True)

    async def _outcome(self, instance_id: str) -> tuple[str, BackendError | None]:
        try:
            await self._one(instance_id)
        except BackendError as error:
            if error.trouble in ("unavailable", "denied"):
                raise
            return instance_id, error
        return instance_id, None

    def _summary(self, told: BulkProgress) -> int:
        refused = [{"id": each, "error": why} for each, why in told.refused]
        if not self._out.is_table:
            self._out.json(
                {"act": self._act, "done": told.done, "leftAlone": told.left_alone, "refused": refused}
            )
        elif told.total:
            parts = [f"{_DONE[self._act]} {words.counted(told.done, 'instance')}."]
            if told.left_alone:
                were = "was" if told.left_alone == 1 else "were"
                parts.append(f"{told.left_alone:,} {were} in another state by then and left alone.")
            self._out.line(" ".join(parts))
        for each, why in told.refused:
            self._out.note(f"durakit instances {self._act}: {each}: {why}")
        return 1 if told.refused else 0


def _counted(told: BulkProgress, outcomes: list[tuple[str, BackendError | None]], total: int) -> BulkProgress:
    """Return the counts with further outcomes. What has got into another state meanwhile is left alone."""
    done = sum(error is None for _, error in outcomes)
    late = sum(error is not None and error.trouble in ("conflict", "not_found") for _, error in outcomes)
    refused = [
        (each, error.message)
        for each, error in outcomes
        if error is not None and error.trouble not in ("conflict", "not_found")
    ]
    return BulkProgress(told.act, told.done + done, told.left_alone + late, (*told.refused, *refused), total)
