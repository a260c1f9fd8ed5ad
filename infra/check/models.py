"""Tables of resource types: which properties an object has, of which type, required or read-only.

Those of Microsoft.DurableTask come from the models of the package azure-mgmt-durabletask, so that they change
with it; all others are files in `schemas/` (from_azmcp.py there makes them).
"""

from __future__ import annotations

import enum
import inspect
import json
import types
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from azure.mgmt.durabletask import models

#: What `table[type][property]` holds: words before a type, such as `required string` or `Sku[]` or `A | B`.
Table = Mapping[str, Mapping[str, str]]

DURABLE_TASK_VERSION = "2026-02-01"
_DURABLE_TASK = {
    "schedulers": models.Scheduler,
    "schedulers/taskHubs": models.TaskHub,
    "schedulers/retentionPolicies": models.RetentionPolicy,
}
#: Read in the reference of templates; no table of their properties was to be had.
UNTABLED = frozenset(
    {
        "Microsoft.Network/privateDnsZones@2024-06-01",
        "Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01",
    }
)
_SCALARS: dict[Any, str] = {str: "string", int: "int", bool: "bool", dict: "object"}


@cache
def tables() -> Mapping[str, Table]:
    """All tables, by `Type@version`."""
    found: dict[str, Table] = {}
    for path in sorted(Path(__file__).with_name("schemas").glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        found[content["name"]] = content["types"]
    for name, model in _DURABLE_TASK.items():
        table: dict[str, dict[str, str]] = {}
        _add(model, "resource", table)
        table["resource"]["name"] = "required string"
        if name != "schedulers":
            table["resource"]["parent"] = "string"
        found[f"Microsoft.DurableTask/{name}@{DURABLE_TASK_VERSION}"] = table
    return found


def _add(model: Any, name: str, table: dict[str, dict[str, str]]) -> None:
    if name in table:
        return
    table[name] = {}
    annotations: dict[str, Any] = {}
    for base in reversed(model.__mro__):
        annotations.update(inspect.get_annotations(base))
    for attribute, rest in model()._attr_to_rest_field.items():
        annotation = _resolved(annotations[attribute])
        is_optional = type(None) in typing.get_args(annotation)
        is_read_only = rest._visibility == ["read"]
        word = "readonly " if is_read_only else "" if is_optional else "required "
        table[name][rest._rest_name] = word + _type_name(annotation, table)


def _type_name(annotation: Any, table: dict[str, dict[str, str]]) -> str:
    options = [_resolved(each) for each in typing.get_args(annotation) if each is not type(None)]
    origin = typing.get_origin(annotation)
    if origin is list:
        return f"{_type_name(options[0], table)}[]"
    if origin in (typing.Union, types.UnionType):
        enums = [each for each in options if inspect.isclass(each) and issubclass(each, enum.Enum)]
        return " | ".join(member.value for member in enums[0]) if enums else _type_name(options[0], table)
    if origin is dict:
        return "object"
    if (
        inspect.isclass(annotation)
        and hasattr(annotation, "__mro__")
        and annotation.__module__.startswith("azure")
    ):
        _add(annotation, annotation.__name__, table)
        return str(annotation.__name__)
    return _SCALARS.get(annotation, "any")


def _resolved(annotation: Any) -> Any:
    """The class that an annotation such as ForwardRef('_models.SchedulerSku') means."""
    name = annotation.__forward_arg__ if isinstance(annotation, typing.ForwardRef) else annotation
    return getattr(models, name.rpartition(".")[2]) if isinstance(name, str) else annotation
