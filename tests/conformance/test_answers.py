"""Workers that answer garbage, in parts, or oddly: what is refused, and what counts."""

from __future__ import annotations

from functools import partial
from typing import Any

import grpc
import pytest
from durakit.wire.channel import Stub
from durakit.wire.messages import orchestration_pb2 as pb
from durakit.wire.methods import METHODS, Method

from tests.faults.sockets import complete, done, refusal_of, schedule, stale, turn

from .bare import CALL_SECONDS, Bare, accepting, part, sub

# --- answers that are wrong


@pytest.mark.parametrize("method", [m for m in METHODS if m.request.DESCRIPTOR.fields], ids=lambda m: m.name)
def test_bytes_that_do_not_parse_are_refused_and_harm_nobody(bare: Bare, method: Method) -> None:
    bare.start("one")
    stream = bare.connect()
    item = stream.next_turn()
    garbage = b"\xff\xfe no message \x00"
    call: Any
    if method.streams:
        call = bare.channel.unary_stream(method.path, None, method.response.FromString)
        code, _ = refusal_of(lambda: list(call(garbage, metadata=bare.metadata, timeout=CALL_SECONDS)))
    else:
        call = bare.channel.unary_unary(method.path, None, method.response.FromString)
        code, _ = refusal_of(lambda: call(garbage, metadata=bare.metadata, timeout=CALL_SECONDS))

    assert code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
    bare.finish(item)
    assert bare.output("one") == '"fine"'


def test_tokens_nobody_gave_out_change_nothing(bare: Bare) -> None:
    """Semantics 2.4; tokens of other kinds of work and of other hubs are as unknown as invented ones."""
    bare.start("one")
    stream = bare.connect()
    first = stream.next_turn()
    bare.answer(turn(first, schedule(1)))
    activity = stream.next_activity()
    bare.start("two")
    second = stream.next_turn()
    elsewhere = Stub(bare.channel, lambda: (("taskhub", "elsewhere"),))
    call = bare.call

    def spoiled(response: Any, token: str) -> Any:
        response.completionToken = token
        return response

    turn_of_two, work = turn(second, complete(1, "x")), done(activity, "x")
    for token in ("invented", first.completionToken, activity.completionToken):
        wrong = spoiled(turn(second, complete(1, "x")), token)
        assert refusal_of(partial(call.CompleteOrchestratorTask, wrong)) == stale("orchestrator")
    for token in ("invented", second.completionToken):
        wrong = spoiled(done(activity, "x"), token)
        assert refusal_of(partial(call.CompleteActivityTask, wrong)) == stale("activity")
    assert refusal_of(lambda: elsewhere.CompleteOrchestratorTask(turn_of_two)) == stale("orchestrator")
    assert refusal_of(lambda: elsewhere.CompleteActivityTask(work)) == stale("activity")
    for name, kind, request in (
        ("AbandonTaskOrchestratorWorkItem", "orchestrator", pb.AbandonOrchestrationTaskRequest()),
        ("AbandonTaskActivityWorkItem", "activity", pb.AbandonActivityTaskRequest()),
    ):
        request.completionToken = "invented"
        assert refusal_of(partial(getattr(call, name), request)) == stale(kind)

    bare.finish(second)
    assert bare.output("two") == '"fine"'
    assert [event.WhichOneof("eventType") for event in bare.history("one")][2:] == [
        "taskScheduled",
        "orchestratorCompleted",
    ]


def test_an_answer_for_another_instance_than_its_token_is_refused(bare: Bare) -> None:
    bare.start("one")
    bare.start("two")
    stream = bare.connect()
    first, second = stream.next_turn(), stream.next_turn()
    ids = [item.orchestratorRequest.instanceId for item in (first, second)]
    mixed = turn(first, complete(1, "wrong"))
    mixed.instanceId = ids[1]

    code, text = refusal_of(lambda: bare.answer(mixed))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert text == (
        f"The answer is for instance '{ids[1]}', but its completion token was given with work of "
        f"'{ids[0]}'. Send back the token that came with the work item."
    )
    bare.finish(first, "first")
    bare.finish(second, "second")
    assert [bare.output(instance_id) for instance_id in ids] == ['"first"', '"second"']


def test_an_activity_answer_that_names_no_instance_counts(bare: Bare) -> None:
    """Trap 19: some SDKs leave it out of failures."""
    bare.start("one")
    stream = bare.connect()
    bare.answer(turn(stream.next_turn(), schedule(1)))
    activity = stream.next_activity()

    response = pb.ActivityResponse(completionToken=activity.completionToken)
    response.failureDetails.SetInParent()
    bare.call.CompleteActivityTask(response)

    # Trap 16: failure details mean failure, even empty ones.
    assert stream.next_turn().orchestratorRequest.newEvents[1].HasField("taskFailed")


def test_a_late_answer_to_an_ended_instance_is_refused_and_its_activity_dropped(bare: Bare) -> None:
    """Semantics 2.5 rule 5."""
    bare.start("one")
    stream = bare.connect()
    bare.answer(turn(stream.next_turn(), schedule(1)))
    activity = stream.next_activity()
    bare.call.RaiseEvent(pb.RaiseEventRequest(instanceId="one", name="go"))
    held = stream.next_turn()
    bare.call.TerminateInstance(pb.TerminateRequest(instanceId="one"))
    before = len(bare.history("one"))

    assert refusal_of(lambda: bare.finish(held)) == stale("orchestrator")
    bare.call.CompleteActivityTask(done(activity, "late"))

    assert bare.state("one").orchestrationStatus == pb.ORCHESTRATION_STATUS_TERMINATED
    assert len(bare.history("one")) == before


# --- answers in parts (semantics.md 2.6 rule 3)


def test_parts_of_an_answer_may_come_out_of_order_and_twice(bare: Bare) -> None:
    """A worker repeats a part whose acknowledgement was lost; its actions must not count twice."""
    bare.start("one")
    stream = bare.connect()
    item = stream.next_turn()

    for number in (1, 0, 1, 0):
        bare.answer(part(item, number, sub(number + 1, f"{bare.task_hub}-{number}")))
    bare.answer(part(item, 2, sub(3, f"{bare.task_hub}-2"), last=True))

    created = [event for event in bare.history("one") if event.HasField("subOrchestrationInstanceCreated")]
    assert [event.eventId for event in created] == [1, 2, 3]
    names = {stream.next_turn().orchestratorRequest.instanceId for _ in range(3)}
    assert names == {f"{bare.task_hub}-{number}" for number in range(3)}


def test_an_answer_with_a_part_missing_is_refused_until_it_is_whole(bare: Bare) -> None:
    bare.start("one")
    stream = bare.connect()
    item = stream.next_turn()
    bare.answer(part(item, 1, schedule(2, "b")))
    last = part(item, 2, complete(3, "whole"), last=True)

    code, text = refusal_of(lambda: bare.answer(last))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert text == (
        "The last part of the answer has number 2, so that many were expected before it, but 1 came. "
        "Send all parts again."
    )
    bare.answer(part(item, 0, schedule(1, "a")))
    bare.answer(last)
    assert bare.output("one") == '"whole"'


def test_parts_are_forgotten_with_the_stream_that_sent_them(bare: Bare) -> None:
    bare.start("one")
    lost = bare.connect()
    item = lost.next_turn()
    bare.answer(part(item, 0, schedule(1, "half")))
    lost.drop()

    again = bare.connect().next_turn()
    bare.finish(again)

    assert refusal_of(lambda: bare.answer(part(item, 1, last=True))) == stale("orchestrator")
    assert not any(event.HasField("taskScheduled") for event in bare.history("one"))


# --- answers that are odd but allowed


def test_the_same_id_for_actions_of_several_kinds_is_no_mistake(bare: Bare) -> None:
    """Semantics 3.3 rule 1, trap 15: ids begin with 0 elsewhere, and completions may be -1."""
    bare.start("one")
    stream = bare.connect(workItemFilters=accepting(orchestration="program"))
    stream_of_children = bare.connect(workItemFilters=accepting(orchestration="child"))
    workers = bare.connect(workItemFilters=accepting(activity="work"))
    timer = pb.OrchestratorAction(id=0)
    timer.createTimer.fireAt.GetCurrentTime()
    bare.answer(turn(stream.next_turn(), schedule(0), timer, sub(0, f"{bare.task_hub}-child")))

    bare.call.CompleteActivityTask(done(workers.next_activity(), "work"))
    bare.finish(stream_of_children.next_turn(), "child")
    answered: set[str] = set()
    while len(answered) < 3:
        item = stream.next_turn()
        arrived = item.orchestratorRequest.newEvents[1:]
        answered |= {event.WhichOneof("eventType") or "" for event in arrived}
        bare.answer(turn(item, complete(-1, "all")) if len(answered) == 3 else turn(item))

    assert answered == {"taskCompleted", "timerFired", "subOrchestrationInstanceCompleted"}
    assert bare.output("one") == '"all"'


def test_of_two_activities_with_one_id_the_newest_is_the_one(bare: Bare) -> None:
    """Semantics 3.3 rule 2: a late result of the first attempt is not taken for that of the second."""
    bare.start("one")
    stream = bare.connect()
    bare.answer(turn(stream.next_turn(), schedule(0, "first")))
    old = stream.next_activity()
    bare.call.RaiseEvent(pb.RaiseEventRequest(instanceId="one", name="again"))
    bare.answer(turn(stream.next_turn(), schedule(0, "second")))
    new = stream.next_activity()

    bare.call.CompleteActivityTask(done(old, "old"))
    bare.call.CompleteActivityTask(done(new, "new"))

    arrived = stream.next_turn().orchestratorRequest.newEvents[1:]
    assert [event.taskCompleted.result.value for event in arrived] == ['"new"']


def test_of_two_completions_the_last_wins_and_unknown_actions_are_skipped(bare: Bare) -> None:
    """Semantics 3.8 rule 1, trap 20."""
    bare.start("one")
    item = bare.connect().next_turn()

    bare.answer(turn(item, complete(1, "first"), pb.OrchestratorAction(id=9), complete(2, "last")))

    assert bare.output("one") == '"last"'
    ends = [event for event in bare.history("one") if event.HasField("executionCompleted")]
    assert len(ends) == 1


def test_a_completion_that_is_none_fails_the_instance_and_says_so(bare: Bare) -> None:
    bare.start("one")
    action = pb.OrchestratorAction(id=1)
    action.completeOrchestration.orchestrationStatus = pb.ORCHESTRATION_STATUS_SUSPENDED

    bare.answer(turn(bare.connect().next_turn(), action))

    failure = bare.state("one").failureDetails
    assert failure.errorType == "InvalidCompletion"
    assert failure.errorMessage.startswith("The worker completed the orchestration with status 7; expected")


def test_events_that_were_not_processed_come_again(bare: Bare) -> None:
    """Semantics 2.6 rule 2."""
    bare.start("one")
    for name in "abc":
        bare.call.RaiseEvent(pb.RaiseEventRequest(instanceId="one", name=name))
    stream = bare.connect()
    partly = turn(stream.next_turn())
    partly.numEventsProcessed.value = 3
    bare.answer(partly)

    arrived = stream.next_turn().orchestratorRequest.newEvents

    assert [event.eventRaised.name for event in arrived[1:]] == ["b", "c"]


def test_an_action_our_sdk_does_not_make_is_limited_too(bare: Bare) -> None:
    bare.start("one", "victim")
    action = pb.OrchestratorAction(id=1)
    action.terminateOrchestration.instanceId = "victim"
    action.terminateOrchestration.reason.value = "x" * (1024 * 1024 + 1)
    stream = bare.connect()
    items = {item.orchestratorRequest.instanceId: item for item in (stream.next_turn(), stream.next_turn())}

    bare.answer(turn(items["one"], action))

    message = bare.state("one").failureDetails.errorMessage
    assert message.startswith("The reason for terminating 'victim' is 1,048,577 bytes; at most 1,048,576 are")
    assert bare.state("victim").orchestrationStatus == pb.ORCHESTRATION_STATUS_PENDING


def test_a_span_ends_with_its_execution(bare: Bare) -> None:
    """Trap 13: carried into the next execution, the span of an eternal orchestration would never end."""
    bare.start("one")
    stream = bare.connect()
    traced = turn(stream.next_turn())
    traced.orchestrationTraceContext.spanID.value = "first"
    bare.answer(traced)
    bare.call.RaiseEvent(pb.RaiseEventRequest(instanceId="one", name="go"))
    second = stream.next_turn()
    again = pb.OrchestratorAction(id=1)
    again.completeOrchestration.orchestrationStatus = pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW
    continuing = turn(second, again)
    continuing.orchestrationTraceContext.spanID.value = "first"
    bare.answer(continuing)

    anew = stream.next_turn()

    assert second.orchestratorRequest.orchestrationTraceContext.spanID.value == "first"
    assert not anew.orchestratorRequest.HasField("orchestrationTraceContext")
