"""Our own .proto against the compiled descriptor inside PyPI's `durabletask`: same bytes on the wire.

Compared are names, numbers, types, labels, oneofs, maps, enums, reserved numbers and the service's methods.
Order of declaration and the package's name are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from durabletask.internal import orchestrator_service_pb2 as theirs
from durakit.wire.messages import orchestration_pb2 as ours
from durakit.wire.methods import BY_NAME, METHODS, SERVICE
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto

OUR_PREFIX = ".durakit.wire."


def file_of(module: Any) -> descriptor_pb2.FileDescriptorProto:
    description = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(description)
    return description


def without_package(type_name: str) -> str:
    """Return the name of a type as it is written inside its own package."""
    return type_name.removeprefix(OUR_PREFIX).removeprefix(".")


def facts_of_field(field: FieldDescriptorProto, message: DescriptorProto) -> dict[str, object]:
    """Return all that a peer can see of a field, in its bytes and in its JSON."""
    oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else None
    return {
        "number": field.number,
        "type": FieldDescriptorProto.Type.Name(field.type),
        "label": FieldDescriptorProto.Label.Name(field.label),
        "of": without_package(field.type_name),
        "oneof": oneof,
        "optional": field.proto3_optional,
        "packed": field.options.packed if field.options.HasField("packed") else None,
    }


def facts_of_message(message: DescriptorProto) -> dict[str, object]:
    return {
        "fields": {field.name: facts_of_field(field, message) for field in message.field},
        "oneofs": sorted(oneof.name for oneof in message.oneof_decl),
        "is map entry": message.options.map_entry,
        "reserved": sorted((taken.start, taken.end) for taken in message.reserved_range),
        "nested": {nested.name: facts_of_message(nested) for nested in message.nested_type},
        "enums": facts_of_enums(message.enum_type),
    }


def facts_of_enums(enums: Iterable[EnumDescriptorProto]) -> dict[str, dict[str, int]]:
    return {enum.name: {value.name: value.number for value in enum.value} for enum in enums}


OURS, THEIRS = file_of(ours), file_of(theirs)
OUR_MESSAGES = {message.name: message for message in OURS.message_type}
THEIR_MESSAGES = {message.name: message for message in THEIRS.message_type}


def test_both_packages_live_in_one_process_under_names_of_their_own() -> None:
    assert THEIRS.package == ""
    assert OURS.package == "durakit.wire"
    assert theirs.HistoryEvent.DESCRIPTOR is not ours.HistoryEvent.DESCRIPTOR


def test_no_message_is_missing_and_none_is_invented() -> None:
    assert OUR_MESSAGES.keys() == THEIR_MESSAGES.keys()
    assert len(OUR_MESSAGES) > 100


@pytest.mark.parametrize("name", sorted(THEIR_MESSAGES))
def test_a_message_agrees_in_every_field(name: str) -> None:
    assert facts_of_message(OUR_MESSAGES[name]) == facts_of_message(THEIR_MESSAGES[name])


def test_enums_agree_in_names_and_numbers() -> None:
    assert facts_of_enums(OURS.enum_type) == facts_of_enums(THEIRS.enum_type)


def test_the_syntax_is_the_same_so_presence_is_too() -> None:
    assert OURS.syntax == THEIRS.syntax == "proto3"


def test_the_table_holds_every_method_of_the_service() -> None:
    service = theirs.DESCRIPTOR.services_by_name[SERVICE]

    expected = {
        method.name: (
            without_package(method.input_type.full_name),
            without_package(method.output_type.full_name),
            method.server_streaming,
        )
        for method in service.methods
    }
    found = {
        method.name: (
            method.request.DESCRIPTOR.full_name.removeprefix("durakit.wire."),
            method.response.DESCRIPTOR.full_name.removeprefix("durakit.wire."),
            method.streams,
        )
        for method in METHODS
    }
    assert found == expected
    assert not any(method.client_streaming for method in service.methods)


def test_paths_have_no_package() -> None:
    assert BY_NAME["GetWorkItems"].path == "/TaskHubSidecarService/GetWorkItems"


def test_the_comparison_sees_a_changed_number_type_label_oneof_and_reservation() -> None:
    """The test above can fail: each kind of difference makes the facts differ."""
    original = THEIR_MESSAGES["WorkItem"]

    def changed(change: Callable[[DescriptorProto], None]) -> dict[str, object]:
        copy = DescriptorProto()
        copy.CopyFrom(original)
        change(copy)
        return facts_of_message(copy)

    def renumber(message: DescriptorProto) -> None:
        message.field[0].number += 40

    def retype(message: DescriptorProto) -> None:
        message.field[-1].type = FieldDescriptorProto.TYPE_BYTES

    def relabel(message: DescriptorProto) -> None:
        message.field[-1].label = FieldDescriptorProto.LABEL_REPEATED

    def leave_oneof(message: DescriptorProto) -> None:
        message.field[0].ClearField("oneof_index")

    def reserve(message: DescriptorProto) -> None:
        message.reserved_range.add(start=90, end=91)

    changes = [renumber, retype, relabel, leave_oneof, reserve]

    assert all(changed(change) != facts_of_message(original) for change in changes)
