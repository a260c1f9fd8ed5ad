"""The model behind a small interface: messages in, the next message out.

By default it is `LocalModel`, a few rules that always answer alike: enough to see and to test the loop around
it. With OPENAI_BASE_URL or OPENAI_API_KEY in the worker's environment it is any model behind an API of
OpenAI's form, as most providers and local servers offer one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from conversation import Message, ToolCall
from tools import TOOLS, Tool

OPENAI = "https://api.openai.com/v1"
TIMEOUT_SECONDS = 120.0


class ModelUnavailable(Exception):
    """The model gave no answer, or none that can be read; another attempt may get one."""


class ModelRefused(Exception):
    """The model's service does not take the request, and would not take it again."""


class Model(Protocol):
    """Whatever can go on with a conversation."""

    def reply(self, messages: list[Message]) -> Message:
        """Return the next message. Raises ModelUnavailable or ModelRefused."""


def model_from(environment: Mapping[str, str]) -> Model:
    """Return the model that the environment names. Raises ModelRefused when half of it is missing."""
    key, url = environment.get("OPENAI_API_KEY", ""), environment.get("OPENAI_BASE_URL", "")
    if not key and not url:
        return LocalModel()
    name = environment.get("MODEL", "")
    if not name:
        raise ModelRefused("OPENAI_API_KEY or OPENAI_BASE_URL is set; set MODEL to the name of a model, too")
    return OpenAIModel(url or OPENAI, key, name)


@dataclass(frozen=True)
class OpenAIModel:
    """A model behind `POST <url>/chat/completions`."""

    url: str
    key: str
    name: str

    def reply(self, messages: list[Message]) -> Message:
        """Ask the service for the next message."""
        body = {
            "model": self.name,
            "messages": [to_wire(message) for message in messages],
            "tools": tool_list(),
        }
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = Request(f"{self.url.rstrip('/')}/chat/completions", json.dumps(body).encode(), headers)
        try:
            with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return from_wire(json.load(answer))
        except HTTPError as error:
            with error:
                said = error.read(1000).decode("utf-8", "replace")
            kind = ModelUnavailable if error.code in (408, 409, 429) or error.code >= 500 else ModelRefused
            raise kind(f"the model's service answered {error.code}: {' '.join(said.split())[:300]}") from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise ModelUnavailable(f"the model's service does not answer: {reason}") from None
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise ModelUnavailable("the model's service answered something that is no message") from None


def to_wire(message: Message) -> dict[str, Any]:
    """Return the message in OpenAI's form."""
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire


def from_wire(answer: Any) -> Message:
    """Return the message in an answer of OpenAI's form."""
    said = answer["choices"][0]["message"]
    calls = [
        ToolCall(str(call["id"]), str(call["function"]["name"]), str(call["function"]["arguments"]))
        for call in said.get("tool_calls") or []
    ]
    return Message("assistant", str(said.get("content") or ""), calls)


def tool_list() -> list[dict[str, Any]]:
    """Return the tools in OpenAI's form."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": schema(tool),
            },
        }
        for tool in TOOLS.values()
    ]


def schema(tool: Tool) -> dict[str, Any]:
    """Return what the tool needs as a JSON schema."""
    texts = {name: {"type": "string", "description": about} for name, about in tool.parameters.items()}
    return {
        "type": "object",
        "properties": texts,
        "required": list(texts),
        "additionalProperties": False,
    }


class LocalModel:
    """Stands in for a model: searches once, multiplies what it finds, saves the answer if asked to."""

    def reply(self, messages: list[Message]) -> Message:
        """Return the next message; for the same conversation always the same."""
        question = next(message.content for message in messages if message.role == "user")
        results = results_by_tool(messages)
        if "search_docs" not in results:
            return use(messages, "search_docs", {"query": question})
        if "calculate" not in results and (expression := costs(question, results["search_docs"])):
            return use(messages, "calculate", {"expression": expression})
        answer = self._answer(question, results)
        name = re.search(r"\b[\w-]+\.(?:md|txt)\b", question)
        if name is None:
            return Message("assistant", answer)
        if "write_file" not in results:
            return use(messages, "write_file", {"name": name[0], "text": f"{answer}\n"})
        saved = results["write_file"]
        ending = f"It is saved as {name[0]}." if saved.startswith("wrote ") else f"It is not saved: {saved}."
        return Message("assistant", f"{answer} {ending}")

    def _answer(self, question: str, results: dict[str, str]) -> str:
        found = results["search_docs"]
        if "calculate" in results:
            sources = " and ".join(dict.fromkeys(re.findall(r"^(\S+\.md): .* EUR a ", found, re.MULTILINE)))
            return f"At most {results['calculate']} EUR: {costs(question, found)}, says {sources}."
        return "The handbook does not say." if found == "nothing found" else found.splitlines()[0]


def use(messages: list[Message], name: str, arguments: dict[str, str]) -> Message:
    """Return the message with which a model wants to use a tool."""
    return Message("assistant", "", [ToolCall(f"call-{len(messages)}", name, json.dumps(arguments))])


def results_by_tool(messages: list[Message]) -> dict[str, str]:
    """Return what each tool said last."""
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    return {names[m.tool_call_id]: m.content for m in messages if m.tool_call_id in names and m.tool_call_id}


def costs(question: str, found: str) -> str:
    """Return the expression for `3 nights` in the question and `140 EUR a night` in what was found."""
    prices = {unit: price for price, unit in reversed(re.findall(r"(\d+) EUR a (\w+)", found))}
    amounts = re.findall(r"(\d+) (\w+?)s?\b", question)
    return " + ".join(f"{amount} * {prices[unit]}" for amount, unit in amounts if unit in prices)


def ask(messages: list[Message]) -> Message:
    """Ask the model of this process's environment."""
    return model_from(os.environ).reply(messages)
