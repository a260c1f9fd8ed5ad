"""Reasons of what has ended, was suspended by somebody or is not due yet."""

from __future__ import annotations

from durakit.dashboard import words
from durakit.dashboard.cases import Case, Reason, cut, text_of
from durakit.dashboard.phrases import Phrase, Piece, code, phrase

_WRAPPING = ("TaskFailedError:", "SubOrchestrationFailedError:")


def _failed(case: Case) -> Reason | None:
    row, digest = case.row, case.digest
    if row.status != "failed":
        return None
    detail: list[str | Piece] = []
    culprit = None
    if digest is not None:
        failed = [step for step in digest.steps if step.status == "failed"]
        culprit = max(failed, key=lambda step: step.last.end_number or 0, default=None)
    told = row.error or "no details were recorded"
    if culprit is not None and culprit.last.failure is not None and told.startswith(_WRAPPING):
        # Its exception only repeats that the call failed.
        told = culprit.last.failure.told.short_line
    error = Piece(cut(told), "error")
    if culprit is not None:
        what = "child" if culprit.kind == "child" else culprit.kind
        detail += [f"in {what} ", code(culprit.name)]
        if len(culprit.attempts) > 1:
            detail.append(f", attempt {len(culprit.attempts)} of {len(culprit.attempts)}")
    if row.completed_ns is not None:
        detail += [", at " if detail else "at ", case.clock(row.completed_ns)]
    return Reason(
        "failed",
        phrase("Failed: ", error),
        phrase(error),
        phrase(*detail, "."),
        acts=(("rewind", ""), ("restart", "")),
    )


def _terminated(case: Case) -> Reason | None:
    row = case.row
    if row.status != "terminated":
        return None
    when = case.ago(row.completed_ns if row.completed_ns is not None else row.updated_ns)
    reason = text_of(row.output)
    if reason:
        sentence, short = phrase("Terminated ", when, f": {cut(reason)}"), phrase(cut(reason))
    else:
        sentence = phrase("Terminated ", when, "; no reason was given.")
        short = phrase("Terminated; no reason was given")
    return Reason("terminated", sentence, short, acts=(("restart", ""),))


def _completed(case: Case) -> Reason | None:
    row = case.row
    if row.status != "completed":
        return None
    took = (row.completed_ns or row.updated_ns) - row.created_ns
    shown = row.custom_status or row.output
    said = phrase(cut(text_of(shown), 80)) if shown else ()
    return Reason(
        "completed", phrase(f"Completed in {words.duration(took)}."), said, said, acts=(("restart", ""),)
    )


def _suspended(case: Case) -> Reason | None:
    if case.row.status != "suspended":
        return None
    told = case.facts.suspended
    since = None if told is None else told.since_ns
    when: list[str | Piece] = ["Suspended"] if since is None else ["Suspended ", case.ago(since)]
    why = f": {cut(told.reason)}" if told is not None and told.reason else ""
    kept = 0 if case.queue is None else case.queue.kept
    detail: Phrase = ()
    if kept:
        verb = "is" if kept == 1 else "are"
        detail = phrase(f"{words.counted(kept, 'event')} {verb} kept until it resumes.")
    return Reason(
        "suspended",
        phrase(*when, why or "."),
        phrase(*when, why),
        detail,
        since_ns=since,
        acts=(("resume", ""),),
    )


def _scheduled(case: Case) -> Reason | None:
    due = case.row.scheduled_ns
    if case.row.status != "pending" or due is None or due <= case.now_ns:
        return None
    said: list[str | Piece] = ["Starts at ", case.clock(due)]
    return Reason("scheduled", phrase(*said, ", ", case.countdown(due), "."), phrase(*said), due_ns=due)


RULES = (_failed, _terminated, _completed, _suspended, _scheduled)
