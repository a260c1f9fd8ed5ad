"""JSON given to a command: as it is, from a file (`@order.json`) or from stdin (`-`). It is checked first."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from durakit.cli.param_type import ParamType
from durakit.dashboard import json_text


class JsonText(ParamType):
    """A JSON text; what is wrong with it is said with line and column, before anything is sent."""

    name = "JSON | @file | -"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text."""
        text, where = self._read(str(value), param, ctx)
        problem = json_text.problem(text)
        if problem is not None:
            self.fail(f"{where}{_with_column(problem, text)}{_hint(text)} Nothing was sent.", param, ctx)
        return text

    def _read(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if value == "-":
            return sys.stdin.read().strip(), "On stdin: "
        if not value.startswith("@"):
            return value, ""
        try:
            return Path(value[1:]).read_text("utf-8-sig").strip(), f"In {value[1:]}: "
        except OSError as error:
            self.fail(f"{value[1:]} cannot be read: {error.strerror}.", param, ctx)
        except UnicodeDecodeError:
            self.fail(f"{value[1:]} is not text in UTF-8.", param, ctx)


def _with_column(problem: str, text: str) -> str:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        line = f"Line {error.lineno}:"
        return problem.replace(line, f"Line {error.lineno}, column {error.colno}:", 1)
    except (ValueError, RecursionError):
        pass
    return problem


def _hint(text: str) -> str:
    """What a shell makes of quotes is the usual reason."""
    word = text.strip()
    is_word = word.replace("_", "").replace("-", "").replace(" ", "").isalnum() and not word[0].isdigit()
    return f" A text needs double quotes of its own: '\"{word[:40]}\"'." if word and is_word else ""
