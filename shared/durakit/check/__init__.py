"""`durakit check`: finds in the source of orchestrators what a replay would not repeat.

It reads syntax trees only and imports nothing of what it checks. `rules` says what it looks for.
"""

from durakit.check.checker import Finding, Result, Unreadable, check_files, python_files
from durakit.check.report import as_json, as_text
from durakit.check.rules import RULES, Rule

__all__ = [
    "RULES",
    "Finding",
    "Result",
    "Rule",
    "Unreadable",
    "as_json",
    "as_text",
    "check_files",
    "python_files",
]
