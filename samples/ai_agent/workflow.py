"""An agent: ask a model, use the tools it wants, ask again, until it answers; a crash forgets nothing.

The conversation is the orchestration's history. Every answer of the model and every result of a tool is an
activity, so after a crash neither is paid for, nor done, again; only what was under way is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from durakit.task import ActivityContext, OrchestrationContext, RetryPolicy, TaskFailedError, when_any

import tools
from conversation import Message, ToolCall
from model import ModelRefused, ask
from tools import Workspace

log = logging.getLogger("agent_session")

SYSTEM = (
    "You answer questions of employees. Look into the handbook before you answer, calculate with the tool "
    "and not in your head, and name the files your answer comes from. Save a file only if you are asked to."
)

MODEL_RETRY = RetryPolicy(
    first_retry_interval=timedelta(seconds=2),
    max_number_of_attempts=5,
    backoff_coefficient=2.0,
    non_retryable_error_types=[ModelRefused],
)

LONGEST_RESULT = 4_000
"""Characters of a tool's result that the model gets to see; the whole conversation travels with each turn."""


@dataclass(frozen=True)
class Question:
    """The input."""

    text: str
    docs: str
    output: str
    """Folder that files may be written to; workers on several machines must share it."""
    approve_within_seconds: float = 24 * 3600
    most_turns: int = 12


@dataclass(frozen=True)
class Waiting:
    """A dangerous tool that a person has to approve."""

    event: str
    """Another one for each request, so that an answer given twice can never approve what comes later."""
    tool: str
    arguments: str
    until: datetime
    answer_with: str = '{"approved": true, "approver": "your name"}'


@dataclass(frozen=True)
class Progress:
    """The custom status."""

    steps: list[str] = field(default_factory=list)
    waiting: Waiting | None = None


@dataclass(frozen=True)
class Answer:
    """The result."""

    text: str
    turns: int
    tools: list[str]


class AgentError(Exception):
    """There is no answer; the message says why."""


class Session:
    """The state of one conversation; made anew from the history whenever the orchestrator is replayed."""

    def __init__(self, ctx: OrchestrationContext, question: Question) -> None:
        self.ctx = ctx
        self.question = question
        self.messages = [Message("system", SYSTEM), Message("user", question.text)]
        self.steps: list[str] = []
        self.used: list[str] = []
        self.approvals = 0
        self._log = ctx.create_replay_safe_logger(log)

    def tell(self, step: str, waiting: Waiting | None = None) -> None:
        """Publish what happens."""
        self._log.info("%s", step)
        self.steps.append(step)
        self.ctx.set_custom_status(Progress(list(self.steps), waiting))

    async def think(self) -> Message:
        """Let the model go on."""
        try:
            reply = await self.ctx.call_activity(
                agent_ask_model, input=self.messages, retry_policy=MODEL_RETRY, return_type=Message
            )
        except TaskFailedError as failure:
            raise AgentError(failure.details.message) from failure
        self.messages.append(reply)
        return reply

    async def act(self, call: ToolCall) -> None:
        """Use a tool, if it is allowed, and let the model know the result."""
        tool = tools.TOOLS.get(call.name)
        refusal = await self.ask_permission(call) if tool is not None and tool.is_dangerous else None
        if refusal is None:
            use = ToolUse(Workspace(self.question.docs, self.question.output), call)
            result = await self.ctx.call_activity(agent_use_tool, input=use)
            self.used.append(call.name)
            self.tell(f"{call.name} {shortened(call.arguments, 120)} -> {shortened(result, 80)}")
        else:
            result = refusal
        self.messages.append(Message("tool", result[:LONGEST_RESULT], tool_call_id=call.id))

    async def ask_permission(self, call: ToolCall) -> str | None:
        """Wait for a person; return None when the tool may be used, else what the model shall know."""
        self.approvals += 1
        event = f"approval-{self.approvals}"
        deadline = self.ctx.create_timer(timedelta(seconds=self.question.approve_within_seconds))
        until = now(self.ctx) + timedelta(seconds=self.question.approve_within_seconds)
        waiting = Waiting(event, call.name, call.arguments, until)
        self.tell(f"{call.name} needs an approval", waiting)
        while True:
            answer = self.ctx.wait_for_external_event(event)
            if await when_any([answer, deadline]) is deadline:
                self.tell(f"nobody approved {call.name} in time")
                return "refused: nobody approved it in time"
            approved, who = read_approval(answer.get_result())
            if who:
                break
            self.tell("an answer without approved (true or false) and approver was ignored", waiting)
        deadline.cancel()
        self.tell(f"{call.name} was {'approved' if approved else 'refused'} by {who}")
        return None if approved else f"refused by {who}"


async def agent_session(ctx: OrchestrationContext, question: Question) -> Answer:
    """Answer a question; fail with a sentence when there is no answer to be had."""
    session = Session(ctx, question)
    for turn in range(1, question.most_turns + 1):
        reply = await session.think()
        if not reply.tool_calls:
            return Answer(reply.content, turn, session.used)
        for call in reply.tool_calls:
            await session.act(call)
    raise AgentError(f"no answer after {question.most_turns} turns")


def read_approval(data: Any) -> tuple[bool, str]:
    """Return the decision and who made it; nobody if the data cannot be read."""
    if not isinstance(data, dict) or not isinstance(data.get("approved"), bool):
        return False, ""
    who = data.get("approver")
    return data["approved"], who.strip()[:100] if isinstance(who, str) else ""


def now(ctx: OrchestrationContext) -> datetime:
    return ctx.current_utc_datetime.replace(tzinfo=timezone.utc)


def shortened(text: str, length: int) -> str:
    """Return the text in one line of at most that length."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


# The activities.


@dataclass(frozen=True)
class ToolUse:
    workspace: Workspace
    call: ToolCall


def agent_ask_model(_: ActivityContext, messages: list[Message]) -> Message:
    """Ask the model that the worker's environment names."""
    return ask(messages)


def agent_use_tool(_: ActivityContext, use: ToolUse) -> str:
    """Use a tool; it may happen twice for one call, so tools do the same again."""
    return tools.use(use.workspace, use.call.name, use.call.arguments)


ACTIVITIES: list[Callable[..., object]] = [agent_ask_model, agent_use_tool]
