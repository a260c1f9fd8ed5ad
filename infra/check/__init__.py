"""A linter for the Bicep templates of this folder, in pure Python, for machines without the Bicep compiler.

It parses (tree-sitter), follows names, and compares resources with tables of what Azure knows. It is no
compiler: README.md says what it does not see.
"""

from infra.check.findings import Finding
from infra.check.rules import RULES, check_folder

__all__ = ["RULES", "Finding", "check_folder"]
