"""JSON typed by people: what is wrong with it, in words. The text itself is never altered."""

from __future__ import annotations

import json
import re

_TOKEN = re.compile(r'\s*("(?:[^"\\\n]|\\.)*"|[^\s,:\]}]+|[,:\]}])')
_CAUSES = (
    ("Expecting ',' delimiter", "a comma is missing before {}"),
    ("Expecting ':' delimiter", "a colon is missing before {}"),
    ("Expecting property name", "a name in double quotes is expected, found {}"),
    ("Illegal trailing comma", "there is nothing after the last comma"),
    ("Expecting value", "a value is expected, found {}"),
    ("Unterminated string", "the text that begins here has no closing quote"),
    ("Invalid control character", "a line break or tab in a text must be written as \\n or \\t"),
    ("Invalid \\", "a backslash begins an escape that JSON does not know"),
    ("Extra data", "the value has ended before {}"),
)


def problem(text: str) -> str | None:
    """Return one sentence that names line and cause, or None when the text is JSON."""
    try:
        json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()):
            return f"Line {error.lineno}: the text ends before the value does."
        cause = next((words for sign, words in _CAUSES if error.msg.startswith(sign)), "this is not JSON: {}")
        found = _TOKEN.match(text, error.pos)
        shown = found[1] if found else text[error.pos : error.pos + 20]
        return f"Line {error.lineno}: {cause.format(shown[:40])}."
    except RecursionError:
        return "The value is nested too deeply."
    except ValueError as error:
        return f"{error}."
    return None


def _no_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")
