"""What model, tools and people say to each other: the messages of a conversation."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ToolCall:
    """A tool that the model wants to be used; `arguments` is JSON text, as models write it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Message:
    """One turn: of the `system`, the `user`, the `assistant` (the model), or a `tool`."""

    role: str
    content: str
    tool_calls: list[ToolCall] = field(default_factory=list)
    """What an assistant wants to be done before it goes on."""
    tool_call_id: str | None = None
    """Which call this is the result of."""
