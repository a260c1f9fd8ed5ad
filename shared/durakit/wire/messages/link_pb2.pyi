from durakit.wire.messages import orchestration_pb2 as _orchestration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Up(_message.Message):
    __slots__ = ("opening", "tasks", "turns", "eager_turns", "returned_turns", "returned_tasks", "calls", "cancelled")
    OPENING_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    TURNS_FIELD_NUMBER: _ClassVar[int]
    EAGER_TURNS_FIELD_NUMBER: _ClassVar[int]
    RETURNED_TURNS_FIELD_NUMBER: _ClassVar[int]
    RETURNED_TASKS_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    opening: Opening
    tasks: _containers.RepeatedCompositeFieldContainer[_orchestration_pb2.ActivityResponse]
    turns: _containers.RepeatedCompositeFieldContainer[_orchestration_pb2.OrchestratorResponse]
    eager_turns: _containers.RepeatedCompositeFieldContainer[EagerTurn]
    returned_turns: _containers.RepeatedScalarFieldContainer[str]
    returned_tasks: _containers.RepeatedScalarFieldContainer[str]
    calls: _containers.RepeatedCompositeFieldContainer[Call]
    cancelled: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, opening: _Optional[_Union[Opening, _Mapping]] = ..., tasks: _Optional[_Iterable[_Union[_orchestration_pb2.ActivityResponse, _Mapping]]] = ..., turns: _Optional[_Iterable[_Union[_orchestration_pb2.OrchestratorResponse, _Mapping]]] = ..., eager_turns: _Optional[_Iterable[_Union[EagerTurn, _Mapping]]] = ..., returned_turns: _Optional[_Iterable[str]] = ..., returned_tasks: _Optional[_Iterable[str]] = ..., calls: _Optional[_Iterable[_Union[Call, _Mapping]]] = ..., cancelled: _Optional[_Iterable[int]] = ...) -> None: ...

class Opening(_message.Message):
    __slots__ = ("work", "sessions")
    WORK_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    work: _orchestration_pb2.GetWorkItemsRequest
    sessions: int
    def __init__(self, work: _Optional[_Union[_orchestration_pb2.GetWorkItemsRequest, _Mapping]] = ..., sessions: _Optional[int] = ...) -> None: ...

class EagerTurn(_message.Message):
    __slots__ = ("instance_id", "execution_id", "committed_events", "started_ns", "results", "response", "session")
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_EVENTS_FIELD_NUMBER: _ClassVar[int]
    STARTED_NS_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    instance_id: str
    execution_id: str
    committed_events: int
    started_ns: int
    results: _containers.RepeatedCompositeFieldContainer[_orchestration_pb2.ActivityResponse]
    response: _orchestration_pb2.OrchestratorResponse
    session: str
    def __init__(self, instance_id: _Optional[str] = ..., execution_id: _Optional[str] = ..., committed_events: _Optional[int] = ..., started_ns: _Optional[int] = ..., results: _Optional[_Iterable[_Union[_orchestration_pb2.ActivityResponse, _Mapping]]] = ..., response: _Optional[_Union[_orchestration_pb2.OrchestratorResponse, _Mapping]] = ..., session: _Optional[str] = ...) -> None: ...

class Call(_message.Message):
    __slots__ = ("id", "method", "request")
    ID_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    id: int
    method: str
    request: bytes
    def __init__(self, id: _Optional[int] = ..., method: _Optional[str] = ..., request: _Optional[bytes] = ...) -> None: ...

class Down(_message.Message):
    __slots__ = ("items", "durable_through", "refused", "replies")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    DURABLE_THROUGH_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    REPLIES_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedScalarFieldContainer[bytes]
    durable_through: int
    refused: _containers.RepeatedCompositeFieldContainer[Refused]
    replies: _containers.RepeatedCompositeFieldContainer[Reply]
    def __init__(self, items: _Optional[_Iterable[bytes]] = ..., durable_through: _Optional[int] = ..., refused: _Optional[_Iterable[_Union[Refused, _Mapping]]] = ..., replies: _Optional[_Iterable[_Union[Reply, _Mapping]]] = ...) -> None: ...

class Refused(_message.Message):
    __slots__ = ("token", "instance_id", "status", "message")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    token: str
    instance_id: str
    status: str
    message: str
    def __init__(self, token: _Optional[str] = ..., instance_id: _Optional[str] = ..., status: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("id", "status", "message", "response")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    id: int
    status: str
    message: str
    response: bytes
    def __init__(self, id: _Optional[int] = ..., status: _Optional[str] = ..., message: _Optional[str] = ..., response: _Optional[bytes] = ...) -> None: ...

class TurnHints(_message.Message):
    __slots__ = ("events", "timers", "attempts")
    class AttemptsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    TIMERS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedScalarFieldContainer[str]
    timers: _containers.RepeatedScalarFieldContainer[int]
    attempts: _containers.ScalarMap[int, int]
    def __init__(self, events: _Optional[_Iterable[str]] = ..., timers: _Optional[_Iterable[int]] = ..., attempts: _Optional[_Mapping[int, int]] = ...) -> None: ...
