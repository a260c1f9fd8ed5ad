"""Options that choose instances: the filters of the dashboard's list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from durakit.cli.durations import Moment
from durakit.dashboard.instances import STATUSES
from durakit.dashboard.lists import SEARCHED, InstanceFilter
from durakit.dashboard.reasons import WAITING

_OPTIONS = (
    click.option(
        "--status", "status", multiple=True, type=click.Choice(STATUSES, case_sensitive=False),
        help="In this status; repeatable.",
    ),
    click.option(
        "--name", "name", multiple=True, metavar="NAME",
        help="Orchestration of this name; NAME* means all that begin so; repeatable.",
    ),
    click.option("--id", "id_prefix", metavar="PREFIX", help="Whose id begins so."),
    click.option("--version", "version", metavar="VERSION", help="Of this version; 1.* as with names."),
    click.option("--from", "from_ns", type=Moment(), metavar="TIME", help="Created since: -6h, or RFC 3339."),
    click.option("--to", "to_ns", type=Moment(), metavar="TIME", help="Created before."),
    click.option("--tag", "tag", multiple=True, metavar="KEY[=VALUE]", help="With this tag; repeatable."),
    click.option("--search", "text", metavar="TEXT", help="With this text in id, input, output or error."),
    click.option("--waiting", type=click.Choice(WAITING), help="Waiting for something of this kind."),
    click.option("--on", metavar="NAME", help="Waiting for the event, activity or child of this name."),
    click.option("--attention", is_flag=True, help="Only what cannot go on without a person."),
    click.option("--parent", metavar="ID", help="Only the children of this instance."),
    click.option("--roots", is_flag=True, help="Leave out children of other instances."),
)  # fmt: skip


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of which `filter_of` makes a filter."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def filter_of(
    *,
    status: tuple[str, ...],
    name: tuple[str, ...],
    id_prefix: str | None,
    version: str | None,
    from_ns: int | None,
    to_ns: int | None,
    tag: tuple[str, ...],
    text: str | None,
    waiting: str | None,
    on: str | None,
    attention: bool,
    parent: str | None,
    roots: bool,
) -> InstanceFilter:
    """Return the filter that was asked for."""
    return InstanceFilter(
        statuses=frozenset(status),
        names=name,
        version=version,
        id_prefix=id_prefix,
        created_from_ns=from_ns,
        created_to_ns=to_ns,
        tags=tuple(_tag(each) for each in tag),
        text=text,
        text_in=frozenset(SEARCHED),
        waiting=waiting,
        on=on,
        attention=attention,
        parent=parent,
        roots=roots and parent is None,
    )


def _tag(text: str) -> tuple[str, str | None]:
    key, sign, value = text.partition("=")
    return key, value if sign else None
