from __future__ import annotations

from durakit import task

from .histories import COMPLETED, Run, completion, kinds, task_completed


def test_a_generator_gets_the_result_of_an_activity() -> None:
    def chain(ctx: task.OrchestrationContext, start: int):
        first = yield ctx.call_activity("add", input=start)
        second = yield ctx.call_activity("add", input=first)
        return second

    run = Run(chain, "1")

    assert kinds(run.start()) == ["scheduleTask#1"]
    assert kinds(run.turn(task_completed(1, "2"))) == ["scheduleTask#2"]
    end = run.turn(task_completed(2, "3"))

    assert kinds(end) == ["completeOrchestration#3"]
    assert completion(end).orchestrationStatus == COMPLETED
    assert completion(end).result.value == "3"
