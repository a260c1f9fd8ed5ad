"""How values become text on a page: segments of paths, moments, and characters that must not act.

Markup is escaped by the templates, not here.
"""

from __future__ import annotations

import re

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
#: Control characters, and those that turn the direction of text or take no room.
_ACTING = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def segment(text: str) -> str:
    """Return the text as one segment of a path: every byte outside `A-Z a-z 0-9 _ -` becomes `~HH`.

    So names with `/`, `.` or `%` survive routers and proxies, and none can be mistaken for a JSON twin.
    """
    return "".join(chr(byte) if byte in _PLAIN else f"~{byte:02X}" for byte in text.encode())


def from_segment(text: str) -> str:
    """Return what `segment` was given; a text that it never returns comes back as it is."""
    try:
        return re.sub(rb"~([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), text.encode()).decode()
    except UnicodeDecodeError:
        return text


def visible(text: str) -> str:
    """Return the text with characters that act instead of showing, such as bidi controls, as escapes."""
    return _ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def visible_lines(text: str) -> str:
    """Return a text of several lines like `visible`, its line breaks and tabs kept."""
    return _ACTING.sub(
        lambda found: found[0] if found[0] in "\n\t" else f"\\u{ord(found[0]):04x}",
        text.replace("\r\n", "\n"),
    )
