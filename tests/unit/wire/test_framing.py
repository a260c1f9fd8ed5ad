"""Hand-framed bytes parse into the very messages that protobuf itself would have built."""

from __future__ import annotations

from durakit.wire import framing
from durakit.wire.messages import orchestration_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue
from hypothesis import example, given
from hypothesis import strategies as st

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
wrapped = st.none() | text.map(lambda value: StringValue(value=value))
stamps = st.builds(Timestamp, seconds=st.integers(0, 2**40), nanos=st.integers(0, 999_999_999))
int32 = st.integers(-(2**31), 2**31 - 1)

raised = st.builds(pb.EventRaisedEvent, name=text, input=wrapped).map(lambda e: {"eventRaised": e})
completed = st.builds(pb.TaskCompletedEvent, taskScheduledId=int32, result=wrapped).map(
    lambda e: {"taskCompleted": e}
)
fired = st.builds(pb.TimerFiredEvent, fireAt=stamps, timerId=int32).map(lambda e: {"timerFired": e})
started = st.just({"orchestratorStarted": pb.OrchestratorStartedEvent()})
events = st.builds(
    lambda kind, event_id, at: pb.HistoryEvent(eventId=event_id, timestamp=at, **kind),
    raised | completed | fired | started,
    int32,
    stamps,
)
requests = st.builds(
    pb.ActivityRequest,
    name=text,
    version=wrapped,
    input=wrapped,
    taskId=int32,
    tags=st.dictionaries(text, text, max_size=2),
)


def extras(trace: str, without_history: bool) -> pb.OrchestratorRequest:
    """The fields of a request that are not framed by hand."""
    extra = pb.OrchestratorRequest(requiresHistoryStreaming=without_history)
    if trace:
        extra.orchestrationTraceContext.spanID.value = trace
    if without_history:
        extra.properties["IncludeState"].bool_value = False
        extra.properties["durakit.committedEvents"].number_value = 12
    return extra


@given(
    instance_id=text,
    execution_id=text,
    turns=st.lists(st.lists(events, max_size=3), max_size=3),
    new=st.lists(events, max_size=3),
    trace=text,
    without_history=st.booleans(),
    token=text,
)
@example("", "", [], [], "", False, "")
def test_an_orchestrator_item_equals_the_message_protobuf_builds(
    instance_id: str,
    execution_id: str,
    turns: list[list[pb.HistoryEvent]],
    new: list[pb.HistoryEvent],
    trace: str,
    without_history: bool,
    token: str,
) -> None:
    extra = extras(trace, without_history)
    expected = pb.WorkItem(completionToken=token)
    request = expected.orchestratorRequest
    request.CopyFrom(extra)
    request.instanceId = instance_id
    request.executionId.value = execution_id
    request.pastEvents.extend(event for turn in turns for event in turn)
    request.newEvents.extend(new)

    framed = framing.orchestrator_item(
        instance_id,
        execution_id,
        [framing.past(event.SerializeToString() for event in turn) for turn in turns],
        [event.SerializeToString() for event in new],
        extra.SerializeToString(),
        token,
    )

    assert pb.WorkItem.FromString(framed) == expected


@given(request=requests, token=text)
def test_an_activity_item_equals_the_message_protobuf_builds(request: pb.ActivityRequest, token: str) -> None:
    framed = framing.activity_item(request.SerializeToString(), token)

    assert pb.WorkItem.FromString(framed) == pb.WorkItem(activityRequest=request, completionToken=token)


@given(turns=st.lists(st.lists(events, max_size=4), max_size=4))
def test_joined_histories_parse_back_into_their_events_in_order(turns: list[list[pb.HistoryEvent]]) -> None:
    blobs = [framing.past(event.SerializeToString() for event in turn) for turn in turns]

    assert framing.events_of(b"".join(blobs)) == [event for turn in turns for event in turn]


@given(size=st.sampled_from([0, 1, 127, 128, 129, 16_383, 16_384, 2_097_151, 2_097_152]))
def test_lengths_are_right_at_every_border_of_their_encoding(size: int) -> None:
    event = pb.HistoryEvent(eventRaised=pb.EventRaisedEvent(name="x" * size))

    assert framing.events_of(framing.past([event.SerializeToString()])) == [event]


def test_a_ping_is_a_work_item_without_token() -> None:
    ping = pb.WorkItem.FromString(framing.HEALTH_PING)

    assert ping.WhichOneof("request") == "healthPing"
    assert ping.completionToken == ""
