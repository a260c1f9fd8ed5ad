"""What the agent can do: search the handbook, calculate, write a file.

A tool gets what a model made up, so each one distrusts its arguments. What goes wrong is told to the model
as the result, which may then do better; an exception would only end the session.
"""

from __future__ import annotations

import ast
import json
import operator
import os
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST_EXPRESSION = 200
LARGEST_NUMBER = 10.0**15
LONGEST_TEXT = 20_000
PASSAGES = 3


@dataclass(frozen=True)
class Workspace:
    """The folders that tools may touch."""

    docs: str
    output: str


@dataclass(frozen=True)
class Tool:
    """A tool as the model sees it, and the function behind it."""

    name: str
    description: str
    parameters: dict[str, str]
    """Names and descriptions; all are text, and all are needed."""
    run: Callable[[Workspace, dict[str, str]], str]
    is_dangerous: bool = False
    """Whether a person has to approve each use."""


class ToolError(Exception):
    """The tool could not do it; the message is for the model."""


def use(workspace: Workspace, name: str, arguments: str) -> str:
    """Use a tool and return what it says."""
    try:
        tool = find(name)
        return tool.run(workspace, read_arguments(tool, arguments))
    except ToolError as error:
        return f"error: {error}"
    except OSError as error:
        return f"error: {error.strerror}"


def find(name: str) -> Tool:
    """Return the tool of that name. Raises ToolError."""
    if name not in TOOLS:
        raise ToolError(f"there is no tool {name}; there are: {', '.join(TOOLS)}")
    return TOOLS[name]


def read_arguments(tool: Tool, arguments: str) -> dict[str, str]:
    """Return the arguments as the tool declares them. Raises ToolError."""
    try:
        given = json.loads(arguments)
    except ValueError:
        raise ToolError(f"the arguments are not JSON: {arguments[:80]}") from None
    needed = set(tool.parameters)
    if not isinstance(given, dict) or set(given) != needed:
        raise ToolError(f"{tool.name} needs exactly these arguments: {', '.join(sorted(needed))}")
    wrong = [name for name, value in given.items() if not isinstance(value, str)]
    if wrong:
        raise ToolError(f"{wrong[0]} must be text")
    return given


def search_docs(workspace: Workspace, arguments: dict[str, str]) -> str:
    """Return the paragraphs that have most words of the query."""
    wanted = words(arguments["query"])
    found: list[tuple[int, str, str]] = []
    for path in sorted(Path(workspace.docs).glob("*.md")):
        for paragraph in path.read_text("utf-8").split("\n\n"):
            score = len(wanted & words(paragraph))
            if score and not paragraph.startswith("#"):
                found.append((-score, path.name, " ".join(paragraph.split())))
    found.sort()
    return "\n".join(f"{name}: {text}" for _, name, text in found[:PASSAGES]) or "nothing found"


def words(text: str) -> set[str]:
    """Return the words that matter for a search, in the singular."""
    return {word.removesuffix("s") for word in re.findall(r"[^\W\d_]{4,}", text.lower())}


OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}


def calculate(_: Workspace, arguments: dict[str, str]) -> str:
    """Return the value of an expression of numbers, + - * / and parentheses; nothing is ever executed."""
    expression = arguments["expression"]
    if len(expression) > LONGEST_EXPRESSION:
        raise ToolError(f"an expression may have {LONGEST_EXPRESSION} characters")
    try:
        value = evaluate(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError):
        raise ToolError(f"{expression} is not an expression") from None
    except ZeroDivisionError:
        raise ToolError("a division by zero has no result") from None
    return f"{value:.10g}"


def evaluate(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return limited(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return limited(OPERATORS[type(node.op)](evaluate(node.left), evaluate(node.right)))
    if isinstance(node, ast.UnaryOp) and type(node.op) in OPERATORS:
        return limited(OPERATORS[type(node.op)](evaluate(node.operand)))
    raise ToolError("only numbers, + - * / and parentheses can be calculated")


def limited(value: float) -> float:
    if not abs(value) <= LARGEST_NUMBER:
        raise ToolError("the numbers are too large")
    return value


def write_file(workspace: Workspace, arguments: dict[str, str]) -> str:
    """Write a text file into the output folder, and nowhere else."""
    name, text = arguments["name"], arguments["text"]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}\.(md|txt)", name):
        raise ToolError("name must be a plain file name that ends with .md or .txt, without a folder")
    if len(text) > LONGEST_TEXT:
        raise ToolError(f"a file may have {LONGEST_TEXT} characters")
    target = Path(workspace.output, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{name}.{uuid.uuid4().hex}")
    draft.write_text(text, "utf-8")
    os.replace(draft, target)  # a second run after a crash writes the same file again
    return f"wrote {target}"


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "search_docs",
            "Search the handbook; returns the best paragraphs.",
            {"query": "words to look for"},
            search_docs,
        ),
        Tool(
            "calculate",
            "Calculate an expression such as (2 + 3) * 4.",
            {"expression": "numbers, + - * / and parentheses"},
            calculate,
        ),
        Tool(
            "write_file",
            "Save text as a file. A person is asked first.",
            {"name": "file name that ends with .md or .txt", "text": "the whole content"},
            write_file,
            is_dangerous=True,
        ),
    )
}
