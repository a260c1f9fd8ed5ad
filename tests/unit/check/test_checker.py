"""Which functions are checked, what findings say, and how a line is let pass."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from durakit.check import as_text, check_files, python_files

from .checking import check_source, orchestrator, rules


@pytest.mark.parametrize(
    "source",
    [
        "def flow(ctx: OrchestrationContext):\n    print(1)\n",
        "def flow(ctx: 'OrchestrationContext'):\n    print(1)\n",
        "from durakit import task\ndef flow(ctx: task.OrchestrationContext):\n    print(1)\n",
        "from durakit.task import OrchestrationContext as OC\ndef flow(ctx: OC):\n    print(1)\n",
        "class Flows:\n    def flow(self, ctx: OrchestrationContext):\n        print(1)\n",
        "def outer():\n    def flow(ctx: OrchestrationContext):\n        print(1)\n    return flow\n",
        "def flow(c, x):\n    print(1)\nrun_worker(orchestrators=[flow])\n",
        "def flow(c, x):\n    print(1)\nFLOWS = [flow]\nrun_worker(orchestrators=FLOWS)\n",
        "def flow(c, x):\n    print(1)\nFLOWS = [flow]\nrun_worker(orchestrators=[*FLOWS])\n",
        "def flow(c, x):\n    print(1)\nworker.add_orchestrator(flow)\n",
        "import functools\ndef f(y, c):\n    print(1)\nw.add_orchestrator(functools.partial(f, 1))\n",
        "def flow(c, x):\n    print(1)\ndef main(client):\n    client.schedule_new_orchestration(flow)\n",
    ],
)
def test_an_orchestrator_is_known_by_its_context_or_by_its_registration(tmp_path: Path, source: str) -> None:
    assert rules(check_source(tmp_path, source)) == ["print"]


@pytest.mark.parametrize(
    "worker",
    [
        "from flow import flow\nrun_worker(orchestrators=[flow])\n",
        "from flow import flow as it\nworker.add_orchestrator(it)\n",
        "import flow\nworker.add_orchestrator(flow.flow)\n",
        "from flow import FLOWS\nrun_worker(orchestrators=FLOWS)\n",
        "from .flow import flow\nrun_worker(orchestrators=(flow,))\n",
    ],
)
def test_it_may_be_registered_in_another_file(tmp_path: Path, worker: str) -> None:
    source = "def flow(c, x):\n    print(1)\nFLOWS = [flow]\n"

    assert rules(check_source(tmp_path, source, worker=worker)) == ["print"]


def test_it_may_be_named_by_the_caller(tmp_path: Path) -> None:
    source = "def flow(c, x):\n    print(1)\ndef other(c, x):\n    print(2)\n"

    assert rules(check_source(tmp_path, source)) == []
    assert rules(check_source(tmp_path, source, "flow")) == ["print"]


def test_activities_and_other_functions_may_do_what_they_like(tmp_path: Path) -> None:
    result = check_source(
        tmp_path,
        """
        def work(ctx: ActivityContext, path):
            return open(path).read()
        def registered(ctx, path):
            return open(path).read()
        def main():
            print(open("x").read())
        async def flow(ctx: OrchestrationContext):
            def inner(c: ActivityContext):
                return open("x")
            await ctx.call_activity(work)
            await ctx.call_activity(registered)
            await ctx.call_activity(inner)
        """,
    )

    assert rules(result) == []
    assert result.orchestrators == 1


def test_helpers_are_followed_and_named(tmp_path: Path) -> None:
    result = check_source(
        tmp_path,
        """
        from datetime import datetime
        class Plan:
            def __init__(self):
                self.made = datetime.now()
            def next(self):
                return self.read()
            def read(self):
                return open("plan")
        def deep():
            return datetime.now()
        def helper():
            return deep()
        def unused():
            return datetime.now()
        async def flow(ctx: OrchestrationContext):
            def nested():
                return datetime.now()
            pick = lambda: datetime.now()
            plan = Plan()
            return helper()
        class Flows:
            async def run(self, ctx: OrchestrationContext):
                self.stamp()
            def stamp(self):
                return datetime.now()
        """,
    )

    assert [(found.line, found.orchestrator, found.helper) for found in result.findings] == [
        (5, "flow", "__init__"),
        (11, "flow", "deep"),
        (18, "flow", None),
        (19, "flow", None),
        (26, "run", "stamp"),
    ]


def test_functions_that_are_handed_on_are_followed_but_not_activities(tmp_path: Path) -> None:
    result = check_source(
        tmp_path,
        """
        def key(item):
            return open(item)
        def work(item):
            return open(item)
        async def flow(ctx: OrchestrationContext, given):
            await ctx.call_activity(work, input=given)
            return sorted(given, key=key)
        """,
    )

    assert [(found.line, found.helper) for found in result.findings] == [(3, "key")]


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("from tools import helper", "helper(given)"),
        ("from tools import helper as h", "h(given)"),
        ("import tools", "tools.helper(given)"),
        ("from .tools import helper", "sorted(given, key=helper)"),
        ("from tools import Plan", "Plan()"),
    ],
)
def test_helpers_are_followed_into_other_files_that_are_checked(
    tmp_path: Path, imports: str, call: str
) -> None:
    tools = """
    def helper(x):
        return deep(x)
    def deep(x):
        return open(x)
    class Plan:
        def __post_init__(self):
            helper(1)
    def unused():
        print(1)
    """

    result = check_source(tmp_path, orchestrator(f"x = {call}", before=imports), tools=tools)

    assert [(f.path.name, f.line, f.orchestrator, f.helper) for f in result.findings] == [
        ("tools.py", 5, "flow", "deep")
    ]


def test_a_coroutine_of_another_checked_file_is_no_foreign_one(tmp_path: Path) -> None:
    tools = "async def helper(x):\n    return x\ndef work(c: ActivityContext, x):\n    return x\n"
    body = "await tools.helper(given)\ntools.helper(given)\ntools.work(None, given)"

    result = check_source(tmp_path, orchestrator(body, before="import tools"), tools=tools)

    assert rules(result) == ["unawaited-task", "activity-call"]
    assert rules(
        check_source(tmp_path, orchestrator("await tools.helper(given)", before="import tools"))
    ) == ["foreign-await"]


def test_a_helper_may_return_a_task_for_its_caller_to_await(tmp_path: Path) -> None:
    source = """
    def priced(ctx: OrchestrationContext, item):
        return ctx.call_activity("price", input=item)
    async def flow(ctx: OrchestrationContext, given):
        return await priced(ctx, given)
    """

    assert rules(check_source(tmp_path, source)) == []


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("if not ctx.is_replaying and given:\n    print(1)", []),
        ("if not ctx.is_replaying or given:\n    print(1)", ["print"]),
        ("if not ctx.is_replaying:\n    print(1)\nprint(2)", ["print"]),
        ("if not not ctx.is_replaying:\n    print(1)", ["print"]),
        ("if not ctx.is_replaying:\n    open(given)", ["file"]),
    ],
)
def test_only_what_is_certainly_no_replay_may_print(tmp_path: Path, body: str, left: list[str]) -> None:
    assert rules(check_source(tmp_path, orchestrator(body))) == left


@pytest.mark.parametrize(
    "statement",
    [
        "async for x in given:\n    open(x)",
        "async with given:\n    open(given)",
        "when_all([open(given)])",
        "return ctx.call_activity(open(given))",
        "x: str = open(given)",
        "x = [open(y) for y in given]",
        "x = {y: open(y) for y in given}",
        "x = max(open(y) for y in given)",
        "for y in given:\n    open(y)",
        "given[open('x')] = 1",
        "x = given.a(lambda: open('x')).b",
        "try:\n    pass\nexcept ValueError:\n    open('x')",
        "match given:\n    case 1:\n        open('x')",
    ],
)
def test_a_call_is_found_wherever_it_stands(tmp_path: Path, statement: str) -> None:
    assert "file" in rules(check_source(tmp_path, orchestrator(statement)))


def test_a_context_without_annotation_is_known_by_its_name(tmp_path: Path) -> None:
    source = """
    import model
    async def flow(ctx, given):
        await model.ask(ctx)
        await model.ask(given)
    worker.add_orchestrator(flow)
    """

    assert [found.line for found in check_source(tmp_path, source).findings] == [5]


@pytest.mark.parametrize(
    "body",
    [
        "try:\n    pass\nexcept ValueError as time:\n    time.time()",
        "match given:\n    case time:\n        time.time()",
        "with given as time:\n    time.time()",
        "for time in given:\n    time.time()",
        "if time := given:\n    time.time()",
        "x = [time.time() for time in given]",
        "def inner(time):\n    return time.time()",
        "import clock as time\ntime.time()",
    ],
)
def test_a_name_that_is_bound_anew_is_no_longer_the_module(tmp_path: Path, body: str) -> None:
    assert rules(check_source(tmp_path, orchestrator(body, before="import time"))) == []


def test_a_name_declared_global_is_that_of_the_module(tmp_path: Path) -> None:
    source = orchestrator("global now\nx = now()", before="import time\nnow = time.time")

    assert sorted(rules(check_source(tmp_path, source))) == ["clock", "global-state"]


@pytest.mark.parametrize(("folder", "expected"), [("a", ["a"]), ("b", ["b"]), (".", [])])
def test_of_files_of_the_same_name_the_one_beside_is_meant(
    tmp_path: Path, folder: str, expected: list[str]
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "flow.py").write_text("def flow(c):\n    print(1)\n", "utf-8")
    source = "from flow import flow\nrun_worker(orchestrators=[flow])\n"
    (tmp_path / folder / "worker.py").write_text(source, "utf-8")

    result = check_files(python_files([tmp_path]))

    assert [finding.path.parent.name for finding in result.findings] == expected


def test_a_finding_says_where_what_and_what_instead(tmp_path: Path) -> None:
    result = check_source(
        tmp_path, orchestrator("return helper()", before="def helper():\n    return open('x')")
    )

    assert as_text(result) == (
        f"{tmp_path / 'flow.py'}:3:12: file: open() depends on or changes files, again with each replay. "
        "Instead, do it in an activity and call that with ctx.call_activity. (orchestrator flow, in helper)\n"
        "1 finding; 1 orchestrator in 1 file checked."
    )


def test_a_long_call_is_cut_in_the_middle(tmp_path: Path) -> None:
    source = orchestrator(f"(given.{'a' * 80}.{'b' * 80}).read_text()")

    message = check_source(tmp_path, source).findings[0].message
    assert re.match(r"given\.a{22}\.\.\.b{16}\.read_text\(\) depends on", message), message


@pytest.mark.parametrize(
    ("comment", "left"),
    [
        ("# durakit: ignore", []),
        ("# durakit: ignore[clock]", ["file"]),
        ("# durakit: ignore[file, clock]", []),
        ("# noqa: X  # durakit:ignore[ file ]", ["clock"]),
        ("# durakit: ignored", ["clock", "file"]),
    ],
)
def test_a_comment_lets_all_or_some_findings_of_its_line_pass(
    tmp_path: Path, comment: str, left: list[str]
) -> None:
    source = orchestrator(f"x = open(str(time.time()))  {comment}", before="import time")

    assert sorted(rules(check_source(tmp_path, source))) == left


def test_a_comment_counts_on_each_line_of_a_call_but_not_in_a_body(tmp_path: Path) -> None:
    call = orchestrator("x = open(\n    given,  # durakit: ignore[file]\n)")
    body = orchestrator("async with given:\n    x = 1  # durakit: ignore\n")

    assert rules(check_source(tmp_path, call)) == []
    assert rules(check_source(tmp_path, body)) == ["foreign-await"]


def test_a_nested_orchestrator_is_told_of_once(tmp_path: Path) -> None:
    source = """
    async def outer(ctx: OrchestrationContext):
        async def inner(c: OrchestrationContext):
            print(1)
        await inner(ctx)
    """

    assert rules(check_source(tmp_path, source)) == ["print"]


def test_files_that_are_no_python_are_named_and_the_others_checked(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def f(:\n", "utf-8")
    (tmp_path / "binary.py").write_bytes(b"x = 1\x00")
    (tmp_path / "good.py").write_text("def flow(ctx: OrchestrationContext):\n    print(1)\n", "utf-8")

    result = check_files(python_files([tmp_path]))

    assert [item.path.name for item in result.unreadable] == ["binary.py", "broken.py"]
    assert rules(result) == ["print"]
    assert as_text(result).startswith(f"{tmp_path / 'binary.py'}:1: not checked: ")


def test_below_a_folder_hidden_folders_and_environments_are_left_out(tmp_path: Path) -> None:
    for folder in ("a/b", ".hidden", "__pycache__", "my_env", "node_modules"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.py").touch()
    (tmp_path / "my_env" / "pyvenv.cfg").touch()
    (tmp_path / "script").touch()

    found = list(python_files([tmp_path, tmp_path / "script"]))

    assert [str(path.relative_to(tmp_path)) for path in found] == [str(Path("a/b/x.py")), "script"]


def test_a_path_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone does not exist"):
        list(python_files([tmp_path / "gone"]))
