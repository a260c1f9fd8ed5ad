"""What the READMEs say about Azure works as it stands there, against the stand-in for az."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from .machine import ROOT, Machine

SAMPLES = sorted(path.parent for path in ROOT.glob("samples/*/worker.py"))
AT_HOME = json.loads((ROOT / "infra" / "samples.json").read_text("utf-8"))["atHome"]
SECTION = re.compile(
    r"^<!-- only in the repository -->\n## Run on Azure\n(.*?)^<!-- end -->\n\n## When things go wrong$",
    re.MULTILINE | re.DOTALL,
)


def section(sample: Path) -> str:
    found = SECTION.search((sample / "README.md").read_text("utf-8"))
    assert found is not None, "it stands before `## When things go wrong`, and only in the repository"
    return found[1]


def commands(text: str) -> list[str]:
    return "".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)).splitlines()


def run(machine: Machine, line: str) -> str:
    """Run a line that names a script of ours; return what it prints."""
    script, *arguments = shlex.split(re.sub(r'^eval "\$\((.*)\)"$', r"\1", line))
    environment = arguments[arguments.index("--name") + 1]
    done = machine.run(Path(script).name, *arguments, typed=f"{environment}\n")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_every_sample_says_how_to_run_it_on_azure_alike(sample: Path) -> None:
    text = section(sample)
    deploy, second, third = commands(text)

    assert shlex.split(deploy)[0] == "infra/cli/deploy.sh"
    assert f"--sample {sample.name} " in deploy
    assert ("--scheduler-only" in deploy) == (sample.name in AT_HOME)
    assert AT_HOME.get(sample.name, "After `az login`") in text
    assert "infra/cli/env.sh" in second if sample.name in AT_HOME else "infra/cli/run-client.sh" in second
    assert third.startswith("infra/cli/teardown.sh")


@pytest.mark.parametrize("name", ["function_chaining", "async_http_api", "monitoring"])
def test_the_three_lines_deploy_run_and_take_down(machine: Machine, name: str) -> None:
    deploy, second, third = commands(section(ROOT / "samples" / name))

    run(machine, deploy)
    assert "rg-my-test" in machine.azure["groups"]
    assert re.search(
        r"56 orders|https://client\.example\.net|export TASKHUB='monitoring'", run(machine, second)
    )
    run(machine, third)

    assert machine.azure["groups"] == {}


def test_the_lines_of_infra_readme_work_too(machine: Machine) -> None:
    text = (ROOT / "infra" / "README.md").read_text("utf-8").partition("\n## By scripts\n")[2]
    lines = [line for line in commands(text.partition("\n## By azd\n")[0]) if "infra/cli/" in line]
    made = machine.folder.parent / "reports"
    made.mkdir(exist_ok=True)
    for needed in ("Dockerfile", "worker.py", "client.py"):
        (made / needed).touch()

    for line in lines:
        run(machine, line)

    assert len(lines) >= 7
    assert set(machine.azure["groups"]) == {"rg-orders", "rg-reports"}
