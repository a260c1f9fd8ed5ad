"""What the dashboard offers as "copy as CLI" is a command that exists and means the same."""

from __future__ import annotations

import shlex
from typing import Any

import click
import pytest
from durakit.cli.commands import cli
from durakit.dashboard import same

PLACE = same.Place("orders", "http://127.0.0.1:8080", "http://127.0.0.1:8082", True)


def parsed(text: str) -> tuple[str, dict[str, Any]]:
    """Return the name of the command that a text calls, and what it is given."""
    words = shlex.split(text)
    variables = [word for word in words if word.startswith(("ENDPOINT=", "TASKHUB="))]
    assert variables == words[:2] == ["ENDPOINT=http://127.0.0.1:8080", "TASKHUB=orders"]
    assert words[2:4] == ["durakit", "instances"]
    group = cli.get_command(click.Context(cli), "instances")
    assert isinstance(group, click.Group)
    name, command, arguments = group.resolve_command(click.Context(group), words[4:])
    assert name is not None
    assert command is not None
    with command.make_context(name, arguments) as context:
        return name, context.params


def test_start_with_every_field() -> None:
    values = {
        "name": "order",
        "id": "-po 1",
        "version": "1.0",
        "start_at": "2026-11-21T18:00:00Z",
        "tags": "region=eu\nwho=it's me",
        "input": '{"a": "it\'s"}',
    }

    name, given = parsed(same.start(PLACE, values).cli)

    assert name == "start"
    assert (given["name"], given["instance_id"], given["version"]) == ("order", "-po 1", "1.0")
    assert (given["tags"], given["input_text"]) == (("region=eu", "who=it's me"), '{"a": "it\'s"}')
    assert given["start_ns"] == 1_795_284_000_000_000_000


@pytest.mark.parametrize("instance_id", ["po-1", "-po 1", "--all", "a/b'c"])
@pytest.mark.parametrize(
    ("act", "values", "expected"),
    [
        ("raise", {"event": "approval", "payload": "-5"}, {"event": "approval", "data": "-5"}),
        ("raise", {"event": "other", "event_other": "-x"}, {"event": "-x", "data": None}),
        ("suspend", {"reason": "-1"}, {"reason": "-1"}),
        ("resume", {"reason": ""}, {"reason": None}),
        (
            "terminate",
            {"reason": "wrong file", "recursive": "0"},
            {"reason": "wrong file", "recursive": False},
        ),
        ("terminate", {"recursive": "1"}, {"recursive": True}),
        ("rewind", {"reason": "again"}, {"reason": "again"}),
        ("restart", {"new_id": "1", "input": "[1]"}, {"new_id": True, "input_text": "[1]"}),
        ("purge", {}, {"recursive": True}),
        ("purge", {"recursive": "0"}, {"recursive": False}),
    ],
)
def test_acts(instance_id: str, act: str, values: dict[str, str], expected: dict[str, Any]) -> None:
    name, given = parsed(same.act(PLACE, instance_id, act, values).cli)

    assert name == act
    assert instance_id in (given.get("instance_id"), *given.get("ids", ()))
    assert {key: given[key] for key in expected} == expected
