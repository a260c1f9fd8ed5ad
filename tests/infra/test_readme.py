"""infra/README.md names what there is, and only that."""

from __future__ import annotations

import json
import re
from pathlib import Path

INFRA = Path(__file__).resolve().parents[2] / "infra"
README = (INFRA / "README.md").read_text(encoding="utf-8")
#: azd sets these by itself.
OF_AZD = re.compile(r"AZURE_\w+|SERVICE_\w+")


def test_every_variable_of_azd_that_people_may_set_is_in_the_table() -> None:
    parameters = json.loads((INFRA / "main.parameters.json").read_text(encoding="utf-8"))["parameters"]
    variables = {re.findall(r"\$\{(\w+)", entry["value"])[0] for entry in parameters.values()}
    section = README.partition("## By azd\n")[2].partition("\n## ")[0]
    first_cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]

    assert {name for name in variables if not OF_AZD.fullmatch(name)} == {
        name for cell in first_cells for name in re.findall(r"`([A-Z_]+)`", cell)
    }


def test_every_module_is_on_the_map() -> None:
    linked = set(re.findall(r"([\w-]+\.bicep)\)", README))

    assert {path.name for path in INFRA.rglob("*.bicep")} <= linked


def test_links_lead_somewhere() -> None:
    for page in (INFRA / "README.md", INFRA / "check" / "README.md"):
        targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
        # In a table row, a bare file name stands for one in the folder of the link before it.
        missing = [each for each in targets if not (page.parent / each).exists()]

        assert missing == []


def test_headings_that_are_linked_exist() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in README.splitlines()
    }

    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= headings
