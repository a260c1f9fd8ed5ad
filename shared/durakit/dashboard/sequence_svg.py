"""A sequence diagram as SVG. Fixed places in pixels: wide diagrams scroll. Everything variable is escaped."""

from __future__ import annotations

from markupsafe import Markup, escape

from durakit.dashboard import drawing
from durakit.dashboard.sequence import Column, Message, SequenceDiagram
from durakit.dashboard.text import visible
from durakit.dashboard.words import SECOND, duration, utc

HEAD_PX, ROW_PX = 64, 34
_TIME_COLUMN, _FIRST, _HEAD_WIDTH, _HEAD_HEIGHT = 96, 190, 160, 38
_SELF_GAP, _GAP = 240, 190
_CHARACTER_PX = 6.6
_MOST_HEAD_CHARACTERS = 22


class _Layout:
    """Where columns and rows are, in pixels."""

    def __init__(self, diagram: SequenceDiagram) -> None:
        self.x: dict[str, int] = {}
        x = _FIRST
        for index, column in enumerate(diagram.columns):
            self.x[column.key] = x
            x += _SELF_GAP if index < 2 else _GAP
        self.width = x - _GAP + _HEAD_WIDTH // 2 + 60
        widest = max((len(m.text) for m in diagram.messages if m.style in ("loop", "wait")), default=0)
        self.width = max(self.width, int(self.x.get("self", 0) + 60 + widest * _CHARACTER_PX))
        self.height = HEAD_PX + ROW_PX * (len(diagram.messages) + 1)

    def y(self, row: float) -> float:
        return HEAD_PX + ROW_PX * (row + 0.75)


def size(diagram: SequenceDiagram) -> tuple[int, int]:
    """Return width and height in pixels."""
    layout = _Layout(diagram)
    return layout.width, layout.height


def heads(diagram: SequenceDiagram) -> Markup:
    """Return the boxes with the columns' names, which stay in view."""
    layout = _Layout(diagram)
    return Markup("".join(_head(column, layout.x[column.key]) for column in diagram.columns))


def body(diagram: SequenceDiagram) -> Markup:
    """Return life lines, activations and messages."""
    layout = _Layout(diagram)
    parts = [
        f'<line x1="{x}" x2="{x}" y1="{HEAD_PX - 16}" y2="{layout.height}" class="lane"/>'
        for x in layout.x.values()
    ]
    for active in diagram.activations:
        x, top = layout.x.get(active.column, _FIRST), layout.y(active.first)
        bottom = layout.y(active.last) if active.last is not None else layout.height - 12
        parts.append(
            f'<rect x="{x - 4}" y="{top:g}" width="8" height="{max(bottom - top, 6):g}" rx="2" '
            f'class="active {active.tone}"/>'
        )
    shown = ""
    for row, message in enumerate(diagram.messages):
        text = _elapsed(diagram, message)
        if text != shown:
            parts.append(f'<text x="12" y="{layout.y(row) + 4:g}" class="muted">{text}</text>')
            shown = text
        parts.append(_message(message, layout, layout.y(row)))
    return Markup("".join(parts))


def document(diagram: SequenceDiagram) -> str:
    """Return the whole diagram as one SVG document."""
    width, height = size(diagram)
    return drawing.alone(body(diagram) + heads(diagram), width, height, diagram.title)


def _head(column: Column, x: int) -> str:
    left = x - _HEAD_WIDTH // 2
    box = f'<rect x="{left}" y="8" width="{_HEAD_WIDTH}" height="{_HEAD_HEIGHT}" rx="5" class="head"/>'
    name = f'<text x="{x}" y="{{}}" text-anchor="middle" class="strong">{escape(_cut(column.name))}</text>'
    title = f"<title>{escape(visible(' '.join(filter(None, (column.name, column.note)))))}</title>"
    if not column.note:
        return f"<g>{title}{box}{name.format(31)}</g>"
    note = f'<text x="{x}" y="40" text-anchor="middle" class="muted">{escape(_cut(column.note))}</text>'
    return f"<g>{title}{box}{name.replace('{}', '24')}{note}</g>"


def _cut(text: str) -> str:
    text = visible(text)
    return text if len(text) <= _MOST_HEAD_CHARACTERS else text[: _MOST_HEAD_CHARACTERS - 1] + "…"


def _elapsed(diagram: SequenceDiagram, message: Message) -> str:
    if message.at_ns is None:
        return ""
    passed = message.at_ns - diagram.start_ns
    if passed <= 0:
        return utc(diagram.start_ns).strftime("%H:%M:%S")
    return f"+{duration(passed)}" if passed < 60 * SECOND else f"+{duration(passed // SECOND * SECOND)}"


def _message(message: Message, layout: _Layout, y: float) -> str:
    source, target = layout.x.get(message.source, _FIRST), layout.x.get(message.target, _FIRST)
    text = escape(visible(message.text))
    if message.style == "gap":
        return f'<text x="{source + 14}" y="{y + 4:g}" class="muted">⋮ {text}</text>'
    if source == target:
        return _loop(message, source, y)
    to_right = target > source
    a, b = (source + 4, target - 5) if to_right else (source - 4, target + 5)
    names = {"call": "call", "back": "back", "failed": "back failed"}[message.style]
    tip = "tip failed" if message.style == "failed" else "tip"
    head = f"M{b} {y:g}l{-7 if to_right else 7}-4v8z"
    line = f'<path d="M{a} {y:g}H{b}" class="{names}"/><path d="{head}" class="{tip}"/>'
    label = "label failed" if message.style == "failed" else "label"
    left, right = min(source, target), max(source, target)
    if left == layout.x.get("outside") and right == layout.x.get("self"):
        place = f'x="{(left + right) // 2}" y="{y - 6:g}" text-anchor="middle"'
    else:
        # Beside the caller's line: there a reader looks for what it asked and what it got.
        caller_is_left = (message.style == "call") == to_right
        place = f'x="{left + 12}"' if caller_is_left else f'x="{right - 12}" text-anchor="end"'
        place += f' y="{y - 6:g}"'
    return f'{line}<text {place} class="{label}">{text}</text>'


def _loop(message: Message, x: int, y: float) -> str:
    is_wait = message.style == "wait"
    path = f"M{x + 4} {y - 8:g}h24v16h-18"
    tip = f"M{x + 5} {y + 8:g}l7-4v8z"
    return (
        f'<path d="{path}" class="{"loop waits" if is_wait else "loop"}"/><path d="{tip}" class="tip"/>'
        f'<text x="{x + 36}" y="{y + 4:g}" class="{"strong" if is_wait else "label"}">'
        f"{escape(visible(message.text))}</text>"
    )
