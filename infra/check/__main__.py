"""`python -m infra.check [folder]`: check the templates of a folder, by default those of infra/.

Exit codes: 0 nothing found, 1 findings, 2 no such folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

from infra.check.compiler import compile_template
from infra.check.rules import RULES, check_folder


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[1]
    templates = sorted(folder.rglob("*.bicep"))
    if not templates:
        print(f"check: there are no templates in {folder}", file=sys.stderr)
        return 2
    findings = check_folder(folder)
    for finding in findings:
        print(finding)
    print(f"{len(templates)} templates, {len(RULES)} rules, {len(findings)} findings")
    complaints = compile_template(folder / "main.bicep")
    if complaints is None:
        print("bicep is not on PATH: skipped `bicep build` and `bicep lint`; this linter is no compiler")
    else:
        print(complaints or "bicep build, bicep lint: fine")
    return 1 if findings or complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
