"""What a shell offers when Tab is pressed: ids and names, if the scheduler says them at once."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

_AT_MOST = 50
_TIMEOUT_SECONDS = 1.0


def instance_ids(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return ids that begin so, each with its orchestration's name and status."""
    return [
        CompletionItem(state.instanceId, help=f"{state.name}, {_status(state)}")
        for state in _states(context, incomplete)
    ]


def orchestrations(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return names of orchestrations that begin so and have instances."""
    names = {state.name for state in _states(context, "")}
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def _status(state: Any) -> str:
    from durakit.dashboard.remote.states import word_of

    return word_of(state.orchestrationStatus)


def _states(context: click.Context, prefix: str) -> list[Any]:
    """Ask once, for a second at most. A person is typing: whatever fails, there is nothing to offer."""
    from durakit.client.operations import Call
    from durakit.setup import connect
    from durakit.wire.messages import orchestration_pb2 as pb

    request = pb.QueryInstancesRequest()
    request.query.maxInstanceCount = _AT_MOST
    if prefix:
        request.query.instanceIdPrefix.value = prefix

    def ask() -> Any:
        return (yield Call("QueryInstances", request, _TIMEOUT_SECONDS))

    try:
        given = {name: context.params.get(name) for name in ("endpoint", "taskhub")}
        with connect(**given) as client:
            return list(client._run(ask()).orchestrationState)
    except Exception:
        return []
