"""The same act from a shell or a program, to copy. The token stands as a variable, never as itself."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from durakit.dashboard.views.forms import Same
from durakit.dashboard.views.frame import hub_path, instance_path


@dataclass(frozen=True)
class Place:
    """Where the act happens.

    Attributes:
        endpoint: the scheduler's address; `pages`: the dashboard's, with base path.
    """

    hub: str
    endpoint: str
    pages: str
    needs_token: bool


def start(place: Place, values: dict[str, str]) -> Same:
    """Return how to start an orchestration."""
    name, instance_id, version = values.get("name", ""), values.get("id", ""), values.get("version", "")
    tags = [line.strip() for line in values.get("tags", "").splitlines() if line.strip()]
    text = values.get("input", "")
    options: list[str] = []
    for flag, value in (
        ("--id", instance_id),
        ("--version", version),
        ("--start-at", values.get("start_at", "")),
    ):
        if value:
            options += [flag, value]
    for tag in tags:
        options += ["--tag", tag]
    if text:
        options += ["--input", text]
    arguments = [repr(name)]
    if text:
        arguments.append(f"input=json.loads({text!r})")
    if instance_id:
        arguments.append(f"instance_id={instance_id!r}")
    if version:
        arguments.append(f"version={version!r}")
    if tags:
        pairs = dict(tag.partition("=")[::2] for tag in tags)
        arguments.append(f"tags={pairs!r}")
    fields = {key: value for key, value in values.items() if value and key != "nonce"}
    return Same(
        _cli(place, "start", options, [name]),
        _curl(place, hub_path(place.hub, "instances/start"), fields),
        _python(place, f"client.schedule_new_orchestration({', '.join(arguments)})", with_json=bool(text)),
    )


def act(place: Place, instance_id: str, name: str, values: dict[str, str]) -> Same:
    """Return how to do an act on an instance."""
    reason, options, arguments = values.get("reason", ""), list[str](), [instance_id]
    call = [repr(instance_id)]
    method = f"{name}_orchestration"
    if name == "raise":
        event, payload = values.get("event", ""), values.get("payload", "")
        event = values.get("event_other", "") if event == "other" else event
        arguments.append(event)
        options += ["--data", payload] if payload else []
        call += [repr(event), *([f"data=json.loads({payload!r})"] if payload else [])]
        method = "raise_orchestration_event"
    elif name == "terminate":
        options += ["--reason", reason] if reason else []
        recursive = values.get("recursive", "1") == "1"
        options += [] if recursive else ["--no-recursive"]
        call += [f"output={reason!r}"] if reason else []
        call += [] if recursive else ["recursive=False"]
    elif name == "purge":
        recursive = values.get("recursive", "1") == "1"
        options += [] if recursive else ["--no-recursive"]
        call += [] if recursive else ["recursive=False"]
    elif name in ("suspend", "resume", "rewind"):
        options += ["--reason", reason] if reason else []
        call += [f"reason={reason!r}"] if reason else []
    elif name == "restart":
        options += ["--new-id"] if values.get("new_id") else []
        options += ["--input", values["input"]] if values.get("input") else []
        call += ["restart_with_new_instance_id=True"] if values.get("new_id") else []
    fields = {key: value for key, value in values.items() if value and key != "nonce"}
    return Same(
        _cli(place, name, options, arguments),
        _curl(place, instance_path(place.hub, instance_id, name), fields),
        _python(place, f"client.{method}({', '.join(call)})", with_json="json.loads" in "".join(call)),
    )


def _cli(place: Place, command: str, options: Sequence[str], arguments: Sequence[str]) -> str:
    """Return the command; arguments that look like options come after `--`."""
    if any(each.startswith("-") for each in arguments):
        given = [*options, "--", *arguments]
    else:
        given = [*arguments, *options]
    words = [f"ENDPOINT={shlex.quote(place.endpoint)} TASKHUB={shlex.quote(place.hub)}"]
    return " ".join([*words, "durakit instances", command, *map(shlex.quote, given)])


def _curl(place: Place, path: str, fields: dict[str, str]) -> str:
    parts = ["curl -H 'Accept: application/json'"]
    if place.needs_token:
        parts.append('-H "Authorization: Bearer $DURAKIT_TOKEN"')
    parts += [f"--data-urlencode {shlex.quote(f'{key}={value}')}" for key, value in fields.items()]
    if not fields:
        parts.append("-X POST")
    parts.append(shlex.quote(place.pages + path))
    return " \\\n  ".join(parts)


def _python(place: Place, call: str, *, with_json: bool) -> str:
    imports = "import json\n\nimport durakit" if with_json else "import durakit"
    return (
        f"{imports}\n\n"
        f"with durakit.connect(endpoint={place.endpoint!r}, taskhub={place.hub!r}) as client:\n"
        f"    {call}"
    )
