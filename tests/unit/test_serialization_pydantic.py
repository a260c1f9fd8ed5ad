"""Pydantic models and dataclasses travel by pydantic's own rules; nobody else pays for pydantic."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Generic, TypeVar

import pydantic
import pytest
from durakit.serialization import DeserializationError, JsonDataConverter, SerializationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

CONVERTER = JsonDataConverter()
T = TypeVar("T")


class Line(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    unit_price: Decimal = pydantic.Field(alias="unitPrice")
    due: date

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def label(self) -> str:
        return f"{self.unit_price} due {self.due}"


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)

    due: date
    lines: tuple[int, ...]


class Envelope(pydantic.BaseModel, Generic[T]):
    content: T


@pydantic_dataclass
class Checked:
    count: int = pydantic.Field(gt=0)


@dataclass
class Invoice:
    lines: list[Line]
    checked: Checked | None = None


LINE = Line(unitPrice=Decimal("1.10"), due=date(2026, 1, 2))


def test_a_model_travels_by_alias_and_without_computed_fields() -> None:
    assert CONVERTER.serialize(LINE) == '{"unitPrice": "1.10", "due": "2026-01-02"}'


@pytest.mark.parametrize(
    ("value", "target"),
    [
        (LINE, Line),
        ([LINE], list[Line]),
        (Invoice([LINE], Checked(2)), Invoice),
        (Strict(due=date(2026, 1, 2), lines=(1, 2)), Strict),
        (Envelope[Line](content=LINE), Envelope[Line]),
        (Checked(1), Checked),
    ],
)
def test_models_round_trip_alone_and_inside_others(value: object, target: type) -> None:
    assert CONVERTER.deserialize(CONVERTER.serialize(value), target) == value
    assert CONVERTER.can_reconstruct(target)


def test_a_model_that_refuses_its_data_is_told_with_place_and_reason() -> None:
    with pytest.raises(DeserializationError) as caught:
        CONVERTER.deserialize('{"lines": [], "checked": {"count": 0}}', Invoice)

    assert caught.value.path == "$.checked"
    assert "Input should be greater than 0" in str(caught.value)
    assert isinstance(caught.value.__cause__, pydantic.ValidationError)


def test_coerce_accepts_members_that_are_rebuilt_already() -> None:
    assert CONVERTER.coerce({"content": LINE}, Envelope[Line]) == Envelope[Line](content=LINE)


def test_a_model_that_pydantic_cannot_dump_is_refused_with_its_place() -> None:
    class Holder(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

        lock: object

    with pytest.raises(SerializationError, match=r"^\$\[0\]: Holder.model_dump failed: "):
        CONVERTER.serialize([Holder(lock=object())])


def test_pydantic_is_not_imported_by_the_converter() -> None:
    program = (
        "import sys, dataclasses; from durakit.serialization import JsonDataConverter\n"
        "@dataclasses.dataclass\nclass D: x: int\n"
        "c = JsonDataConverter(); c.deserialize(c.serialize(D(1)), D)\n"
        "sys.exit('pydantic' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
