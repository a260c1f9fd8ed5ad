"""Tables in the documentation name what the code has; the code is the one list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from durakit.settings import SETTINGS, Setting

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.variable)
def test_the_readme_names_each_setting_with_its_default(setting: Setting) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")

    default = f"`{setting.default}`" if setting.default else ""
    assert re.search(rf"^\| `{setting.variable}` \| {re.escape(default)} ?\| .+ \|$", readme, re.MULTILINE)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.variable)
def test_the_example_of_env_has_each_setting(setting: Setting) -> None:
    value = "" if setting.name == "connection_string" else re.escape(setting.default)

    assert re.search(
        rf"^(# )?{setting.variable}={value}", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE
    )


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("samples/*/.env.example")), ids=lambda path: path.parent.name
)
def test_a_samples_example_of_env_has_the_defaults(path: Path) -> None:
    defaults = {setting.variable: setting.default for setting in SETTINGS}

    lines = path.read_text("utf-8").splitlines()
    assert {f"{name}={defaults[name]}" for name in ("ENDPOINT", "TASKHUB")} <= set(lines)


def test_the_index_of_samples_names_each_sample() -> None:
    index = (ROOT / "samples" / "README.md").read_text("utf-8")
    samples = {path.parent.name for path in ROOT.glob("samples/*/workflow.py")}

    assert set(re.findall(r"^\| \[(\w+)\]\(\1/README\.md\) \|", index, re.MULTILINE)) == samples


def test_the_contributing_page_names_each_group_of_tests() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    groups = re.findall(
        r'^ {4}Group\(\s*"(\w+)"', (ROOT / "scripts" / "test.py").read_text("utf-8"), re.MULTILINE
    )

    table = page.split("## Tests")[1].split("\n\n")[1]
    assert groups
    assert re.findall(r"^\| (\w+) \|", table, re.MULTILINE)[1:] == groups
