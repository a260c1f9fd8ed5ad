"""Custom status over time: each value with its time and how long it lasted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from durakit.dashboard import words
from durakit.dashboard.instances import Instance, StatusChange, StatusRecord
from durakit.dashboard.views.payloads import Payload, kind_by_beginning, payload

SHOWN_AT_ONCE = 20
"""The others are folded."""
LINE_CHARACTERS = 160
"""Of a value in its line; longer ones open."""


@dataclass(frozen=True)
class StatusSpan:
    """A custom status and its time.

    Attributes:
        key: names the line on its page, however many newer ones there are.
        value: absent when the instance had none.
        from_ns: None when that is not known.
        until_ns: None while it lasts, and when that is not known.
        lasts: whether it is the present one of an instance that goes on.
        is_last: whether no other came before the instance ended.
    """

    key: str
    value: Payload
    from_ns: int | None
    until_ns: int | None = None
    lasts: bool = False
    is_last: bool = False

    @property
    def line(self) -> str | None:
        """The value, or its beginning, for one line; None when there is none."""
        text = self.value.text
        return None if text is None else text[:LINE_CHARACTERS]

    @property
    def fits(self) -> bool:
        """Whether the line shows all of it."""
        text = self.value.text or ""
        return len(text) <= LINE_CHARACTERS and "\n" not in text and not self.value.is_cut

    def as_json(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "at": None if self.from_ns is None else words.rfc3339(self.from_ns),
            "until": None if self.until_ns is None else words.rfc3339(self.until_ns),
            **self.value.as_json(),
        }


@dataclass(frozen=True)
class Statuses:
    """Custom statuses, newest first.

    Attributes:
        dropped: how many older ones are not kept.
        is_offered: False: the endpoint tells only the present one.
    """

    spans: Sequence[StatusSpan] = ()
    dropped: int = 0
    is_offered: bool = True

    @property
    def kept(self) -> int:
        """How many are on record."""
        return sum(span.from_ns is not None for span in self.spans)

    @property
    def parts(self) -> tuple[Sequence[StatusSpan], Sequence[StatusSpan]]:
        """What is shown at once, and what is folded."""
        return self.spans[:SHOWN_AT_ONCE], self.spans[SHOWN_AT_ONCE:]

    def as_json(self) -> dict[str, Any]:
        """Return the fields of the JSON twin; null when the endpoint does not tell."""
        if not self.is_offered:
            return {"customStatuses": None, "customStatusesDropped": None}
        return {
            "customStatuses": [span.as_json() for span in self.spans],
            "customStatusesDropped": self.dropped,
        }


def statuses_of(instance: Instance, record: StatusRecord | None) -> Statuses:
    """Return the custom statuses of an instance; `record` None: the endpoint does not tell earlier ones."""
    spans = _spans(record, instance.row.completed_ns) if record is not None else []
    newest = record.changes[0] if record is not None and record.changes else StatusChange(0, None)
    present = payload("customStatus", instance.custom_status)
    if not _is_same(newest, instance.custom_status):
        # Said before there was a record, or not on record yet.
        spans.insert(0, StatusSpan("present", present, None))
    elif spans:
        spans[0] = replace(spans[0], value=present, lasts=instance.row.is_open)
    dropped = 0 if record is None else record.dropped
    return Statuses(spans, dropped, is_offered=record is not None)


def _spans(record: StatusRecord, ended_ns: int | None) -> list[StatusSpan]:
    spans: list[StatusSpan] = []
    until_ns = ended_ns
    first = record.dropped + len(record.changes)
    for at, change in enumerate(record.changes):
        span = StatusSpan(f"{first - at}", _payload(change), change.at_ns, until_ns)
        spans.append(replace(span, is_last=at == 0 and ended_ns is not None))
        until_ns = change.at_ns
    return spans


def _payload(change: StatusChange) -> Payload:
    told = payload("customStatus", change.text)
    if change.bytes is None or not change.text:
        return told
    return replace(told, size=change.bytes, kind=kind_by_beginning(change.text), is_cut=True)


def _is_same(newest: StatusChange, present: str | None) -> bool:
    if newest.bytes is None or newest.text is None or present is None:
        return newest.text == present
    return present.startswith(newest.text)
