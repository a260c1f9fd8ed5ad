"""scripts/test.py, loaded under another name: the standard library has a package `test`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from environment import ROOT


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("durakit_test_script", ROOT / "scripts" / "test.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_every_folder_of_tests_belongs_to_a_group(script: ModuleType) -> None:
    paths = {step.path for group in script.GROUPS for step in group.steps if isinstance(step, script.Tests)}
    folders = {f"tests/{path.name}" for path in (ROOT / "tests").iterdir() if any(path.rglob("test_*.py"))}

    assert folders <= paths
    assert all((ROOT / path).exists() for path in paths if path.startswith("tests/"))


def test_a_run_of_pytest_is_counted_by_its_report(script: ModuleType, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        "<testsuites><testsuite>"
        "<testcase/><testcase/>"
        "<testcase><failure/></testcase><testcase><error/></testcase>"
        '<testcase><skipped type="pytest.skip"/></testcase>'
        '<testcase><skipped type="pytest.xfail"/></testcase>'
        "</testsuite></testsuites>"
    )

    assert script.read_report(report) == script.Outcome(passed=3, failed=2, skipped=1)


def test_a_run_without_a_report_counts_nothing(script: ModuleType, tmp_path: Path) -> None:
    assert script.read_report(tmp_path / "none.xml") == script.Outcome()


@pytest.mark.parametrize(
    ("counts", "line"),
    [((5, 0, 0), "5 passed, 0 failed"), ((5, 1, 2), "5 passed, 1 failed, 2 skipped")],
)
def test_the_last_line_has_its_exact_form(
    script: ModuleType, counts: tuple[int, int, int], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    script.print_summary([(script.GROUPS[0], 1.0, script.Outcome(*counts))])

    assert capsys.readouterr().out.splitlines()[-1] == line


def test_an_unknown_group_is_refused_with_the_ones_there_are(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        script.parse(["nothing"])

    assert "there is no group nothing; there are: static, unit, " in capsys.readouterr().err


def test_groups_that_need_other_toolchains_run_only_when_asked(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = script.Group("foreign", "", [], thorough=True)
    monkeypatch.setattr(script, "GROUPS", [script.Group("own", "", []), foreign])

    def chosen(*arguments: str) -> list[str]:
        return [group.name for group in script.parse(arguments).groups]

    assert chosen() == ["own"]
    assert chosen("--all") == ["own", "foreign"]
    assert chosen("foreign") == ["foreign"]


@pytest.mark.parametrize(
    ("body", "require_all", "expected"),
    [
        ("def test_a(): pass\ndef test_b(): assert 0", False, (1, 1, 0)),
        ("import pytest\n@pytest.mark.skip\ndef test_a(): pass", False, (0, 0, 1)),
        ("import pytest\n@pytest.mark.skip\ndef test_a(): pass", True, (0, 1, 0)),
        ("", False, (0, 1, 0)),
        ("raise RuntimeError", False, (0, 1, 0)),
    ],
)
def test_a_run_of_pytest_is_counted(
    script: ModuleType, tmp_path: Path, body: str, require_all: bool, expected: tuple[int, int, int]
) -> None:
    (tmp_path / "test_it.py").write_text(body)
    environment = SimpleNamespace(python=Path(sys.executable))
    runner = script.Runner(environment, require_all)

    outcome = runner.run(script.Group("it", "", [script.Tests(str(tmp_path / "test_it.py"))]))

    assert (outcome.passed, outcome.failed, outcome.skipped) == expected
