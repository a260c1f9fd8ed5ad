"""The page of the order report: numbers and rows in, HTML out, every value escaped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from html import escape

CURRENCY = "EUR"

STYLE = """
:root { color-scheme: light dark; --line: #8884; --bar: #3b82f6; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; } .quiet { opacity: .7; margin-top: .25rem; }
dl { display: flex; flex-wrap: wrap; gap: 1rem; } dl div { background: var(--soft); border-radius: .5rem;
padding: .75rem 1.25rem; } dt { opacity: .7; font-size: .85rem; } dd { margin: 0; font-size: 1.5rem; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid var(--line); }
.number { text-align: right; font-variant-numeric: tabular-nums; } .share { width: 40%; }
meter { width: 100%; } code { overflow-wrap: anywhere; }
"""


@dataclass(frozen=True)
class Group:
    """Orders that have one thing in common, such as the country."""

    name: str
    orders: int
    revenue: Decimal


@dataclass(frozen=True)
class Summary:
    """The totals of a file of orders."""

    orders: int
    revenue: Decimal
    first: date
    last: date
    countries: list[Group]
    categories: list[Group]


def money(amount: Decimal) -> str:
    """Return the amount as people write it: 12,345.60 EUR."""
    return f"{amount:,.2f} {CURRENCY}"


def day(when: date) -> str:
    """Return the day as people write it: 2 March 2026."""
    return f"{when.day} {when:%B %Y}"


def render(title: str, made_at: datetime, summary: Summary, rejected: list[dict[str, str]]) -> str:
    """Return the whole page."""
    tiles = {
        "Revenue": money(summary.revenue),
        "Orders": str(summary.orders),
        "Average order": money(summary.revenue / summary.orders),
        "Rows set aside": str(len(rejected)),
    }
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Orders in {escape(title)}</title>
<style>{STYLE}</style>
<h1>Orders in {escape(title)}</h1>
<p class="quiet">{day(summary.first)} to {day(summary.last)}; made {day(made_at)}, {made_at:%H:%M} UTC</p>
<dl>{"".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in tiles.items())}</dl>
{group_table("country", summary.countries, summary.revenue)}
{group_table("category", summary.categories, summary.revenue)}
{rejected_table(rejected)}
</html>
"""


def group_table(heading: str, groups: list[Group], total: Decimal) -> str:
    rows = "".join(
        f"<tr><td>{escape(group.name)}</td><td class=number>{group.orders}</td>"
        f"<td class=number>{money(group.revenue)}</td>"
        f"<td class=share><meter max={max(total, Decimal(1))} value={group.revenue}></meter></td></tr>\n"
        for group in groups
    )
    return (
        f"<h2>Revenue by {heading}</h2>\n<table><thead><tr><th>{heading.capitalize()}</th>"
        "<th class=number>Orders</th><th class=number>Revenue</th><th>Share</th></tr></thead>\n"
        f"<tbody>{rows}</tbody></table>"
    )


def rejected_table(rejected: list[dict[str, str]]) -> str:
    if not rejected:
        return "<h2>Rows set aside</h2>\n<p>None: every row is a valid order of a known product.</p>"
    rows = "".join(
        f"<tr><td class=number>{escape(row['line'])}</td><td>{escape(row['reason'])}</td>"
        f"<td><code>{escape(row['row'])}</code></td></tr>\n"
        for row in rejected
    )
    return (
        "<h2>Rows set aside</h2>\n<table><thead><tr><th class=number>Line</th><th>Reason</th><th>Row</th>"
        f"</tr></thead>\n<tbody>{rows}</tbody></table>"
    )
