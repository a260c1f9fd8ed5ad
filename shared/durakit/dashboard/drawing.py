"""SVG that stands alone: what pages.css says by class, as attributes; a strict policy lets no style in."""

from __future__ import annotations

import re

from markupsafe import Markup

_INK, _INK_2, _INK_3, _LINE, _SURFACE = "#1a1b19", "#4f524c", "#666962", "#dededa", "#ffffff"
_BAR = {
    "completed": "#51926e",
    "running": "#3f7fd0",
    "failed": "#cf4438",
    "wait": "#7f838b",
    "cancelled": "#c4c5bf",
    "pending": "#5a6270",
    "suspended": "#8a5300",
    "terminated": "#6d4593",
}
_TINT = {
    "completed": "#e1f1e7",
    "running": "#e3edf9",
    "failed": "#fbe7e4",
    "cancelled": "#eeeeea",
    "pending": "#eaecef",
    "suspended": "#fbeed6",
    "terminated": "#f0e8f6",
    "wait": "#eaecef",
}
_PLAIN = {
    "label": f'fill="{_INK_2}"',
    "label failed": 'fill="#b42318"',
    "strong": f'fill="{_INK}" font-weight="600"',
    "muted": f'fill="{_INK_3}"',
    "turn": f'fill="{_INK_3}"',
    "queued": f'fill="{_SURFACE}" stroke="#7f838b"',
    "dots": 'stroke="#7f838b" stroke-width="1.5" stroke-dasharray="2 3"',
    "wire": 'stroke="#7f838b" stroke-width="1.5"',
    "grid": f'stroke="{_LINE}"',
    "gap": f'stroke="{_INK_3}" stroke-dasharray="1.5 3"',
    "now": f'stroke="{_INK}"',
    "held": 'fill="url(#hatch)"',
    "hatch": 'stroke="#8a5300" stroke-opacity="0.35"',
    "cross": f'stroke="{_SURFACE}" stroke-width="1.6" stroke-linecap="round"',
    "solid": 'fill="#7f838b"',
    "hollow": f'fill="{_SURFACE}" stroke="#7f838b" stroke-width="1.5"',
    "letter": 'fill="none" stroke="#1a5fb4" stroke-width="1.5"',
    "failure": 'fill="#cf4438"',
    "head": f'fill="{_SURFACE}" stroke="#85877f"',
    "lane": f'stroke="{_LINE}"',
    "call": f'stroke="{_INK_2}" stroke-width="1.25" fill="none"',
    "back": f'stroke="{_INK_2}" stroke-width="1.25" stroke-dasharray="5 4" fill="none"',
    "back failed": 'stroke="#b42318" stroke-width="1.25" stroke-dasharray="5 4" fill="none"',
    "loop": f'stroke="{_INK_2}" stroke-width="1.25" fill="none"',
    "loop waits": f'stroke="{_INK}" stroke-width="1.5" stroke-dasharray="2 3" fill="none"',
    "tip": f'fill="{_INK_2}"',
    "tip failed": 'fill="#b42318"',
    "paper": f'fill="{_SURFACE}"',
}


def attributes(names: str) -> str:
    """Return the attributes that stand for an element's classes."""
    if names in _PLAIN:
        return _PLAIN[names]
    names = names.removesuffix(" wide").removesuffix(" moves")
    if names in _PLAIN:
        return _PLAIN[names]
    first, _, rest = names.partition(" ")
    tone = rest.partition(" ")[0]
    if first in ("bar", "life", "end"):
        return f'fill="{_BAR.get(tone, _BAR["wait"])}"'
    if first in ("child", "area", "active"):
        fill, stroke = _TINT.get(tone, _TINT["wait"]), _BAR.get(tone, _BAR["wait"])
        return f'fill="{fill}" stroke="{stroke}"'
    return _PLAIN.get(first, "")


def alone(inner: str, width: float, height: float, title: str) -> str:
    """Return markup that uses classes as a whole SVG document."""
    painted = re.sub(r'class="([^"]*)"', lambda found: attributes(found[1]), inner)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" font-family="system-ui, sans-serif" font-size="12" role="img">'
        f"<title>{Markup.escape(title)}</title>"
        f'<rect width="{width:g}" height="{height:g}" fill="{_SURFACE}"/>{painted}</svg>\n'
    )
