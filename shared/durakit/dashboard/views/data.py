"""The tab Input / Output: payloads, custom status, and for a failed instance the chain of failures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from durakit.dashboard import words
from durakit.dashboard.failures import Failure
from durakit.dashboard.instances import Instance, StatusRecord
from durakit.dashboard.phrases import Phrase, Piece, code, phrase
from durakit.dashboard.steps import Attempt, Digest, Step
from durakit.dashboard.views.frame import Frame, phrase_json
from durakit.dashboard.views.instance import Head
from durakit.dashboard.views.kin import Kin
from durakit.dashboard.views.payloads import Payload, payload
from durakit.dashboard.views.statuses import Statuses, statuses_of

_FRAME = re.compile(r'  File "(?P<file>[^"]*)", line \d+')
_LIBRARY = re.compile(r"(?:site-packages|dist-packages|lib/python[\d.]+|<frozen)[/\\ ]?(?P<name>\w+)?")
_OWN = re.compile(r"[/\\](durakit)[/\\](?:replay|runtime|task|client|worker|registry|serialization)")


@dataclass(frozen=True)
class TracePart:
    """Lines of a stack trace; `folded` says of a library's what they are: `4 frames in durakit`."""

    lines: str
    folded: str | None = None


@dataclass(frozen=True)
class Link:
    """One exception of the chain.

    Attributes:
        where: orchestrator, activity (with the event's number) or child (with its id).
        step, event: number of the step, and of the event that recorded the failure.
        child_id: the child in which it happened.
    """

    number: int
    failure: Failure
    where: Phrase
    trace: tuple[TracePart, ...] = ()
    step: int | None = None
    event: int | None = None
    child_id: str | None = None


@dataclass(frozen=True)
class DataView:
    """Input, output, custom status and failure.

    Attributes:
        failures: cause first; empty unless it failed.
        advice: what a failure of a known kind means, in words.
        failing: numbers of the steps that lead to the failure.
        statuses: the custom status over time; of descendants it is left out.
        kin, descendants: when all descendants are shown too, those of `kin` in the same order.
    """

    frame: Frame
    head: Head
    digest: Digest
    input: Payload
    output: Payload
    custom_status: Payload
    failures: Sequence[Link] = ()
    advice: Phrase = ()
    failing: Sequence[int] = ()
    statuses: Statuses = field(default_factory=Statuses)
    drawing: Any = None
    options: Mapping[str, str] = field(default_factory=dict)
    kin: Kin | None = None
    descendants: Sequence[DataView] = ()

    @property
    def failed_descendants(self) -> list[DataView]:
        """Those to be looked at first."""
        return [each for each in self.descendants if each.head.row.status == "failed"]

    def as_json(self) -> dict[str, Any]:
        """Return the JSON twin."""
        if self.kin is None:
            return {**self._own_json(), **self.statuses.as_json()}
        descendants = [
            {**each._own_json(), "depth": member.depth}
            for each, member in zip(self.descendants, self.kin.descendants, strict=True)
        ]
        own = {**self._own_json(), **self.statuses.as_json()}
        return {**own, "descendants": descendants, "leftOut": self.kin.left_out}

    def _own_json(self) -> dict[str, Any]:
        return {
            "instance": self.head.as_json(),
            "input": self.input.as_json(),
            "output": self.output.as_json(),
            "customStatus": self.custom_status.as_json(),
            "failures": [
                {
                    "type": link.failure.error_type,
                    "message": link.failure.message,
                    "stackTrace": link.failure.stack_trace,
                    "where": phrase_json(link.where),
                    "event": link.event,
                    "childId": link.child_id,
                }
                for link in self.failures
            ],
            "advice": phrase_json(self.advice),
        }


def data_view(
    frame: Frame,
    head: Head,
    instance: Instance,
    digest: Digest,
    record: StatusRecord | None = None,
    *,
    is_brief: bool = False,
) -> DataView:
    """Return the context of the tab; a brief one is part of an ancestor's, and without record."""
    culprit = failing_step(digest) if instance.failure is not None else None
    return DataView(
        frame=frame,
        head=head,
        digest=digest,
        input=payload("input", instance.input, is_brief=is_brief),
        output=payload("output", instance.output, is_brief=is_brief),
        custom_status=payload("customStatus", instance.custom_status, is_brief=is_brief),
        failures=chain(instance.failure, culprit),
        advice=advice(instance.failure),
        failing=[] if culprit is None else [culprit[0].number],
        statuses=Statuses() if is_brief else statuses_of(instance, record),
    )


def failing_step(digest: Digest) -> tuple[Step, Attempt] | None:
    """Return the call whose failure ended the orchestration, as far as history tells: the last to fail."""
    failed = [step for step in digest.steps if step.status == "failed"]
    if not failed:
        return None
    step = max(failed, key=lambda each: each.last.end_number or 0)
    return step, step.last


def chain(failure: Failure | None, culprit: tuple[Step, Attempt] | None) -> list[Link]:
    """Return the exceptions, cause first, each with where it happened."""
    found: list[Failure] = []
    while failure is not None:
        found.append(failure)
        failure = failure.cause
    if culprit is not None and found:
        # The orchestrator's exception tells the call's by its text only; the call's own comes before it.
        inner: Failure | None = culprit[1].failure
        known = {(each.error_type, each.message) for each in found}
        while inner is not None:
            if (inner.error_type, inner.message) not in known:
                found.append(inner)
            inner = inner.cause
    called = set()
    inner = None if culprit is None else culprit[1].failure
    while inner is not None:
        called.add((inner.error_type, inner.message))
        inner = inner.cause
    links = []
    for number, each in enumerate(reversed(found), start=1):
        in_call = culprit if (each.error_type, each.message) in called else None
        links.append(_link(number, each, in_call))
    return links


def _link(number: int, failure: Failure, culprit: tuple[Step, Attempt] | None) -> Link:
    trace = tuple(fold(failure.stack_trace)) if failure.stack_trace else ()
    if culprit is None:
        return Link(number, failure, phrase("orchestrator"), trace)
    step, attempt = culprit
    tries = len(step.attempts)
    which = f", attempt {step.attempts.index(attempt) + 1} of {tries}" if tries > 1 else ""
    if step.kind == "child":
        child = Piece(step.instance_id or step.name, "instance", instance_id=step.instance_id)
        where = phrase("child ", code(step.name), " ", child, which)
    else:
        where = phrase(f"{step.kind} ", code(step.name), which)
    return Link(number, failure, where, trace, step.number, attempt.end_number, step.instance_id)


def fold(trace: str) -> list[TracePart]:
    """Return a stack trace in parts, runs of library frames folded. Traces of other languages stay whole."""
    parts: list[TracePart] = []
    lines: list[str] = []
    library: str | None = None
    frames = 0

    def close() -> None:
        if lines:
            folded = None
            if library is not None:
                folded = f"{words.counted(frames, 'frame')} in {library}"
            parts.append(TracePart("\n".join(lines), folded))

    for line in trace.rstrip("\n").split("\n"):
        found = _FRAME.match(line)
        inside = _library(found["file"]) if found else None if line[:1] not in (" ", "") else library
        if inside != library:
            close()
            lines, frames, library = [], 0, inside
        lines.append(line)
        frames += found is not None
    close()
    return parts


def _library(file: str) -> str | None:
    own = _OWN.search(file)
    if own:
        return own[1]
    found = _LIBRARY.search(file)
    return (found["name"] or "Python") if found else None


def advice(failure: Failure | None) -> Phrase:
    """Return what a failure of a kind that concerns workers or code versions means; empty for others."""
    if failure is None:
        return ()
    kind = failure.error_type.rpartition(".")[2]
    if "NonDeterminis" in kind:
        return phrase("The code no longer matches the history. ", failure.message.partition("\n")[0])
    if "NotRegistered" in kind:
        return phrase(f"{failure.message.partition(chr(10))[0]} Start a worker that registers this name.")
    if kind == "VersionMismatch":
        return phrase(f"{failure.message.partition(chr(10))[0]} Start a worker of this version.")
    return ()
