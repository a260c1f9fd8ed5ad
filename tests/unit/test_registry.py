from __future__ import annotations

import functools
import typing
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any

import pytest
from durakit.registry import Registry, input_type, result_type
from durakit.task import ActivityContext, OrchestrationContext, Task

if typing.TYPE_CHECKING:
    from nowhere import Missing  # type: ignore[import-not-found]


@dataclass
class Order:
    id: int


def activity(ctx: ActivityContext, order: Order) -> list[Order]:
    return [order]


async def async_activity(ctx: ActivityContext, order: Order | None) -> Order:
    return order or Order(0)


def orchestrator(ctx: OrchestrationContext, order: Order) -> Generator[Task[Any], Any, int]:
    yield ctx.call_activity(activity, input=order)
    return 1


async def async_orchestrator(ctx: OrchestrationContext) -> int:
    return 1


def half_known(ctx: Missing, order: Order) -> Order:
    return order


def unknown(ctx: ActivityContext, order: Missing) -> Missing:
    return order


def untyped(ctx, order):  # type: ignore[no-untyped-def]
    return order


class Callee:
    async def __call__(self, ctx: ActivityContext, order: Order) -> Order:
        return order


def test_functions_are_registered_under_their_names() -> None:
    registry = Registry()

    assert registry.add_orchestrator(orchestrator) == "orchestrator"
    assert registry.add_orchestrator(async_orchestrator) == "async_orchestrator"
    assert registry.add_activity(activity) == "activity"
    assert registry.add_activity(async_activity, "load") == "load"

    assert registry.orchestrator_names == ["orchestrator", "async_orchestrator"]
    assert registry.activity_names == ["activity", "load"]


def test_an_entry_knows_how_to_call_its_function() -> None:
    registry = Registry()
    registry.add_orchestrator(orchestrator)
    registry.add_orchestrator(async_orchestrator)

    entry = registry.get_orchestrator("orchestrator")
    assert entry is not None
    assert (entry.name, entry.fn, entry.input_type) == ("orchestrator", orchestrator, Order)
    assert (entry.is_async, entry.takes_input) == (False, True)
    entry = registry.get_orchestrator("async_orchestrator")
    assert entry is not None
    assert (entry.input_type, entry.is_async, entry.takes_input) == (None, True, False)


def test_an_activity_entry_knows_whether_it_is_async() -> None:
    registry = Registry()
    functions: dict[str, Callable[..., Any]] = {
        "plain": activity,
        "async": async_activity,
        "object": Callee(),
        "partial": functools.partial(async_activity),
    }
    for name, fn in functions.items():
        registry.add_activity(fn, name)

    entries = {name: registry.get_activity(name) for name in registry.activity_names}
    assert {name: entry.is_async for name, entry in entries.items() if entry} == {
        "plain": False,
        "async": True,
        "object": True,
        "partial": True,
    }


def test_names_are_matched_exactly_and_unknown_ones_give_none() -> None:
    registry = Registry()
    registry.add_activity(activity)

    assert registry.get_activity("Activity") is None
    assert registry.get_orchestrator("activity") is None


@pytest.mark.parametrize("value", [None, 42, "name"])
def test_what_cannot_be_called_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=f"^{value!r} was given as an activity; expected a function.$"):
        Registry().add_activity(value)


def test_functions_without_a_name_of_their_own_are_refused() -> None:
    """Trap 60."""
    for fn in (lambda ctx, x: x, functools.partial(activity), Callee()):
        with pytest.raises(
            ValueError, match=r"Cannot register an activity without a name: .* has no name of its own"
        ):
            Registry().add_activity(fn)


@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_name_is_refused(name: str) -> None:
    with pytest.raises(
        ValueError, match=r"The name of an orchestrator is empty; pass a name of at least one"
    ):
        Registry().add_orchestrator(orchestrator, name)


def test_a_name_must_be_text() -> None:
    with pytest.raises(TypeError, match=r"The name of an orchestrator is 7; expected text."):
        Registry().add_orchestrator(orchestrator, 7)  # type: ignore[arg-type]


def test_a_taken_name_is_refused() -> None:
    registry = Registry()
    registry.add_activity(activity)

    with pytest.raises(
        ValueError,
        match=r"An activity named 'activity' is registered already; names are unique within a worker",
    ):
        registry.add_activity(activity)
    registry.add_orchestrator(orchestrator, "activity")


def nothing() -> None: ...
def three(ctx: Any, first: Any, second: Any) -> None: ...
def keyword(ctx: Any, *, needed: Any) -> None: ...


@pytest.mark.parametrize("fn", [nothing, three, keyword])
def test_a_signature_that_cannot_be_called_is_refused(fn: Callable[..., Any]) -> None:
    with pytest.raises(TypeError) as refused:
        Registry().add_orchestrator(fn)

    assert str(refused.value).startswith(f"Orchestrator '{fn.__name__}' has the signature {fn.__name__}(")
    assert str(refused.value).endswith(
        "; it must be callable with an OrchestrationContext and an input, as in (ctx, input), "
        "or with the context alone, as in (ctx)."
    )


def optional(ctx: Any, value: Any = 1, more: Any = 2) -> None: ...
def variadic(*args: Any) -> None: ...
def context_only(ctx: Any, *, mode: str = "x") -> None: ...


@pytest.mark.parametrize(("fn", "takes"), [(optional, True), (variadic, True), (context_only, False)])
def test_optional_parameters_do_not_hinder(fn: Callable[..., Any], takes: bool) -> None:
    registry = Registry()
    registry.add_activity(fn)

    entry = registry.get_activity(fn.__name__)
    assert entry is not None
    assert entry.takes_input is takes


async def async_generator(ctx: Any) -> AsyncGenerator[int, None]:
    yield 1


def test_an_async_generator_is_refused() -> None:
    text = r"'async_generator' is an async generator \(`async def` with `yield`\); use `async def`"
    with pytest.raises(TypeError, match=text):
        Registry().add_orchestrator(async_generator)
    with pytest.raises(TypeError, match=text):
        Registry().add_activity(async_generator)


def test_a_generator_is_no_activity() -> None:
    with pytest.raises(
        TypeError,
        match=r"Activity 'orchestrator' is a generator \(it contains `yield`\); expected an",
    ):
        Registry().add_activity(orchestrator)


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (activity, Order),
        (async_activity, Order | None),
        (half_known, Order),
        (Callee(), Order),
        (functools.partial(activity), Order),
        (unknown, None),
        (untyped, None),
        (async_orchestrator, None),
        (variadic, None),
        (print, None),
    ],
)
def test_the_input_type_is_the_annotation_if_it_is_known(fn: Callable[..., Any], expected: Any) -> None:
    assert input_type(fn) == expected


def eager(ctx: Any) -> Coroutine[Any, Any, Order]:
    return async_activity(ctx, None)


def promising(ctx: Any) -> Awaitable[Order]:
    return async_activity(ctx, None)


def vague(ctx: Any) -> Generator:  # type: ignore[type-arg]
    yield


def returns_generator(ctx: Any) -> Generator[Any, Any, Order]:
    return orchestrator(ctx, Order(1))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (activity, list[Order]),
        (async_activity, Order),
        (orchestrator, int),
        (async_orchestrator, int),
        (half_known, Order),
        (eager, Order),
        (promising, Order),
        (returns_generator, Order),
        (vague, None),
        (unknown, None),
        (untyped, None),
        (nothing, None),
        (int, None),
    ],
)
def test_the_result_type_is_what_the_function_returns_in_the_end(
    fn: Callable[..., Any], expected: Any
) -> None:
    assert result_type(fn) == expected
