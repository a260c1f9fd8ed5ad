"""How Python values travel: one JSON text per payload, rebuilt by annotation (semantics.md 3.16)."""

from __future__ import annotations

import collections
import copy
import json
import pickle
from typing import Any

import pytest
from durakit.serialization import AttributeDict, DataConverter, DeserializationError
from hypothesis import given
from hypothesis import strategies as st

from .payloads import UNTIMED, Order, Point, deserialize, round_trip, serialize

# ---- the payload text


@pytest.mark.parametrize(
    "value", [0, 0.0, "", False, [], {}, "x", 5, -1.5, True, [1, None], {"a": [1, None]}]
)
def test_json_values_travel_as_json_dumps_writes_them_falsy_ones_too(value: object) -> None:
    assert serialize(value) == json.dumps(value)
    assert round_trip(value) == value


def test_none_sends_no_payload() -> None:
    assert serialize(None) is None


@pytest.mark.parametrize("absent", [None, "", "null"])
@pytest.mark.parametrize("target", [None, int, str, list, dict])
def test_absent_empty_and_null_all_read_as_none(absent: str | None, target: Any) -> None:
    assert deserialize(absent, target) is None


def test_a_str_is_quoted_and_non_ascii_is_escaped_as_other_sdks_do() -> None:
    assert serialize("é") == '"\\u00e9"'


def test_a_payload_that_is_no_json_is_refused_with_its_beginning() -> None:
    with pytest.raises(DeserializationError) as caught:
        deserialize("hello " * 20)

    assert str(caught.value) == (
        "the payload 'hello hello hello hello hello hello hel…' is not JSON "
        "(Expecting value: line 1 column 1 (char 0)); send JSON, in which a str stands in quotes"
    )
    assert isinstance(caught.value.__cause__, json.JSONDecodeError)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@UNTIMED
@given(json_values)
def test_any_json_value_is_written_like_json_dumps_and_read_back_equal(value: object) -> None:
    assert serialize(value) == (None if value is None else json.dumps(value))
    assert round_trip(value) == value


# ---- the three programs of the field's introduction


def test_the_activity_chain_passes_texts() -> None:
    assert [round_trip(f"Hello {name}!", str) for name in ("Tokyo", "Seattle")] == [
        "Hello Tokyo!",
        "Hello Seattle!",
    ]


def test_the_fan_out_passes_lists_and_returns_a_summary() -> None:
    items = round_trip([f"item {n}" for n in range(3)], list[str])
    results = [round_trip(len(item), int) for item in items]

    summary = round_trip({"work_items": items, "results": results, "total": sum(results)})

    assert summary == {"work_items": ["item 0", "item 1", "item 2"], "results": [6, 6, 6], "total": 18}


def test_the_purchase_order_passes_a_plain_class() -> None:
    order = round_trip(Order(2000, "laptop", 3), Order)

    assert isinstance(order, Order)
    assert (order.Cost, order.Product, order.Quantity, order.total()) == (2000, "laptop", 3, 6000)


def test_without_annotation_the_purchase_order_still_answers_attribute_access() -> None:
    order = round_trip(Order(2000))

    assert order.Cost == 2000
    assert order == {"Cost": 2000, "Product": "MyProduct", "Quantity": 1}


def test_the_approval_event_is_a_named_tuple_read_by_name() -> None:
    approval_details = round_trip(collections.namedtuple("Approval", ["approver"])("Me"))

    assert f"Approved by '{approval_details.approver}'" == "Approved by 'Me'"


# ---- objects without annotation


def test_objects_nested_in_lists_answer_attribute_access() -> None:
    payload = deserialize('{"lines": [{"sku": "a", "maker": {"name": "m"}}]}')

    assert payload.lines[0].maker.name == "m"


def test_an_attribute_dict_says_which_keys_it_has() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = deserialize('{"approver": "Me"}').aprover

    assert str(caught.value) == "the payload has no key 'aprover'; its keys: 'approver'"


def test_an_attribute_dict_can_be_changed_by_attribute_or_key() -> None:
    payload = deserialize('{"a": 1}')

    payload.b = 2
    payload["c"] = 3
    del payload.a

    assert payload == {"b": 2, "c": 3}
    with pytest.raises(AttributeError, match="the payload has no key 'a'"):
        del payload.a


def test_names_of_dict_methods_stay_methods_so_that_libraries_can_walk_the_payload() -> None:
    payload = deserialize('{"items": [1, 2], "copy": true}')

    assert payload["items"] == [1, 2]
    assert dict(payload.items()) == {"items": [1, 2], "copy": True}
    assert json.loads(json.dumps(payload)) == payload
    with pytest.raises(AttributeError) as caught:
        payload.items = []
    assert str(caught.value) == "'items' is a method of dict; write payload['items'] = ... instead"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, AttributeDict.copy])
def test_an_attribute_dict_survives_copying(duplicate: Any) -> None:
    payload = deserialize('{"a": {"b": 1}, "__deepcopy__": 5, "items": 1}')

    twin = duplicate(payload)

    assert type(twin) is AttributeDict
    assert twin == payload
    assert twin is not payload
    assert twin.a.b == 1


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_attribute_dict_survives_pickling(protocol: int) -> None:
    payload = deserialize('{"a": [{"b": 1}]}')

    assert pickle.loads(pickle.dumps(payload, protocol)).a[0].b == 1


def test_an_attribute_dict_lists_its_keys_for_completion() -> None:
    assert {"approver", "items"} <= set(dir(deserialize('{"approver": 1, "no name": 2}')))


def test_an_attribute_dict_travels_on_as_the_same_text() -> None:
    text = '{"a": [{"b": 1}], "c": {}}'

    assert serialize(deserialize(text)) == text


def test_the_marker_of_old_durabletask_versions_is_no_key() -> None:
    payload = deserialize('{"approver": "Me", "by": {"x": 1, "__durabletask_autoobject__": true}}')

    assert payload == {"approver": "Me", "by": {"x": 1}}
    assert payload.by.x == 1


# ---- converters of one's own


def test_a_converter_of_ones_own_needs_three_methods() -> None:
    class Upper(DataConverter):
        def serialize(self, value: Any) -> str | None:
            return str(value).upper()

        def deserialize(self, data: str | None, target_type: type | None = None) -> Any:
            return data

        def coerce(self, value: Any, target_type: type | None = None) -> Any:
            return value

    assert Upper().serialize("a") == "A"
    assert not Upper().can_reconstruct(Point)
    with pytest.raises(TypeError, match="abstract"):
        DataConverter()  # type: ignore[abstract]
