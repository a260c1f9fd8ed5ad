"""What templates can call: links that keep the rest of an address, and words for lists of things."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from durakit.dashboard import mermaid, sequence_svg, timeline_svg, words
from durakit.dashboard.instances import STATUSES, Family, InstanceRow
from durakit.dashboard.parameters import Parameters
from durakit.dashboard.reasons import WAITING
from durakit.dashboard.text import segment
from durakit.dashboard.views.data import Link
from durakit.dashboard.views.frame import hub_path, instance_path
from durakit.dashboard.views.instance import TABS
from durakit.dashboard.views.listing import COLUMNS
from durakit.dashboard.workforce import OfferedName

SHORTCUTS = (
    (("/",), "Go to an instance id"),
    (("f",), "Search"),
    (("j", "k"), "Next, previous row; also ↓ ↑"),
    (("Enter",), "Open the row"),
    (("x", "Shift x"), "Select the row, or up to it"),
    (("a",), "Fold or unfold children"),
    (("n",), "Start an orchestration"),
    (("e",), "Raise an event"),
    (("1", "…", "5"), "Tabs of an instance"),
    (("[", "]"), "Newer, older page"),
    (("r",), "Show newer instances"),
    ((".",), "Pause live updates, or go on"),
    (("u",), "Up to the parent"),
    (("+", "−", "0"), "Timeline: nearer, farther, all of it"),
    (("?",), "This page"),
    (("Esc",), "Close"),
)

STATUS_WORDS = (
    ("pending", "Was started; its first turn has not run."),
    ("running", "Goes on, or waits for something that it asked for."),
    ("suspended", "Held by an operator; events are kept until it is resumed."),
    ("completed", "Ended with a result."),
    ("failed", "Ended with an error that nothing caught."),
    ("terminated", "Ended by an operator."),
    ("attention", "Cannot go on without a person."),
)

KIND_WORDS = {
    "orchestration": "The code that calls all others; a tick is one turn of it.",
    "activity": "A piece of work. The outline is queue time, the solid bar run time.",
    "child": "An orchestration that this one called.",
    "timer": "Ends in a diamond: filled when it fired, hollow when it is due.",
    "event": "A message from outside.",
    "entity": "A call of a durable entity.",
    "lock": "Entities held for one orchestration.",
}

STARTED_CHOICES = (
    ("-15m", "last 15 min"),
    ("-1h", "last hour"),
    ("-6h", "last 6 h"),
    ("-24h", "last 24 h"),
    ("-7d", "last 7 days"),
    ("-30d", "last 30 days"),
)
SORT_CHOICES = (
    ("-started", "Newest started first"),
    ("started", "Oldest started first"),
    ("-updated", "Latest change first"),
    ("-completed", "Latest end first"),
)


def options_link(options: Mapping[str, str], **changes: str | None) -> str:
    """Return a query string in which some options differ; None removes one."""
    merged = {**options, **changes}
    kept = {name: value for name, value in merged.items() if value is not None}
    return f"?{urlencode(kept)}"


def step_link(options: Mapping[str, str]) -> Callable[[str], str]:
    """Return what makes the link that opens a step."""
    return lambda key: f"{options_link(options, step=key)}#step-{key}"


def slow_link(options: Mapping[str, str]) -> Callable[[str], str]:
    """Return what makes the link that shows the slowest calls of a joined row, or no longer."""

    def link(key: str) -> str:
        return f"{options_link(options, slow=None if options.get('slow') == key else key)}#step-{key}"

    return link


def unfold(parameters: Parameters, instance_id: str) -> str:
    """Return the list's query string with one parent's children shown, or hidden again."""
    shown = [each for each in parameters.unfolded if each != instance_id]
    if len(shown) == len(parameters.unfolded):
        shown.append(instance_id)
    return parameters.link(open=shown) + f"#row-{segment(instance_id)}"


def toggled_column(parameters: Parameters, column: str) -> str:
    """Return the list's query string with a column more, or less."""
    shown = [each for each in parameters.columns if each != column]
    if len(shown) == len(parameters.columns):
        shown.append(column)
    return parameters.link(cols=",".join(shown) or None)


def failure_text(links: Sequence[Link]) -> str:
    """Return a failure chain as text to copy."""
    return "\n\n".join(
        f"{link.failure.error_type}: {link.failure.message}\n{link.failure.stack_trace or ''}".strip()
        for link in links
    )


def family_words(family: Family) -> str:
    """Return `1 parent, 6 children, 2 grandchildren`."""
    depths = [member.depth for member in family.members]
    above, children = sum(depth < 0 for depth in depths), sum(depth == 1 for depth in depths)
    hidden = next((member.hidden for member in family.members if member.depth == 0), 0)
    below = sum(depth > 1 for depth in depths)
    parts = [
        words.counted(above, "ancestor" if above > 1 else "parent"),
        words.counted(children + hidden, "child", "children"),
        words.counted(below, "descendant below them", "descendants below them"),
    ]
    counts = (above, children + hidden, below)
    return ", ".join(part for part, count in zip(parts, counts, strict=True) if count) or "no relatives"


def offered_words(offers: Sequence[OfferedName]) -> str:
    """Return `5 orchestrations, 11 activities`."""
    plural = {"orchestration": "orchestrations", "activity": "activities", "entity": "entities"}
    counts = {kind: sum(each.kind == kind for each in offers) for kind in plural}
    said = [words.counted(count, kind, plural[kind]) for kind, count in counts.items() if count]
    return ", ".join(said) or "nothing"


def spark(depths: Sequence[int]) -> str:
    """Return the points of a line over 100 by 20."""
    most, last = max(max(depths), 1), max(len(depths) - 1, 1)
    return " ".join(f"{at / last * 100:.1f},{18 - depth / most * 16:.1f}" for at, depth in enumerate(depths))


def replay_lines(row: InstanceRow) -> str:
    """Return the three lines that replay an exported history in a test."""
    name = row.name if row.name.isidentifier() else "orchestrator"
    return (
        "from durakit.testing import replay\n\n"
        f'replay("{segment(row.id)}.history.json", orchestrators=[{name}])  # fails where the code differs'
    )


def everything() -> dict[str, Any]:
    """Return the names that every template knows."""
    return {
        "all_columns": COLUMNS,
        "clock": words.clock,
        "clock_ms": words.clock_ms,
        "counted": words.counted,
        "duration": words.duration,
        "failure_text": failure_text,
        "family_words": family_words,
        "hub_path": hub_path,
        "instance_path": instance_path,
        "kind_words": KIND_WORDS,
        "mermaid": mermaid.text,
        "number": words.number,
        "offered_words": offered_words,
        "options_link": options_link,
        "replay_lines": replay_lines,
        "rfc3339_ns": words.rfc3339,
        "rough": words.rough,
        "segment": segment,
        "sequence_svg": sequence_svg,
        "shortcuts": SHORTCUTS,
        "size": words.size,
        "slow_link": slow_link,
        "sort_choices": SORT_CHOICES,
        "spark": spark,
        "started_choices": STARTED_CHOICES,
        "status_words": STATUS_WORDS,
        "statuses": STATUSES,
        "step_link": step_link,
        "tabs": TABS,
        "timeline_svg": timeline_svg,
        "toggled_column": toggled_column,
        "unfold": unfold,
        "waiting_kinds": WAITING,
    }
