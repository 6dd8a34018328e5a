from __future__ import annotations

import asyncio
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from saaf_autogen.actions.context import ActionContext
from saaf_autogen.actions.declaration import action, declaration_of
from saaf_autogen.actions.definition import ActionDefinition
from saaf_autogen.actions.registry import ActionRegistry
from saaf_autogen.errors import ConfigurationError, InvalidArguments, NotFound, SaafError


class Row(BaseModel):
    """A row."""

    day: date
    amount: float


def define(function: Any, pack: str = "sales") -> ActionDefinition:
    declared = declaration_of(function)
    assert declared is not None
    return ActionDefinition.of(function, declared, pack=pack)


@action(scopes=["warehouse:query"], effect="read")
def list_days(
    region: Annotated[Literal["eu", "us"], Field(description="where")],
    ctx: ActionContext,
    limit: Annotated[int, Field(ge=1, le=10)] = 3,
) -> list[Row]:
    """Days of a region."""
    return [Row(day=date(2026, 1, day + 1), amount=1.5) for day in range(limit)]


def test_the_decorator_returns_the_function_itself() -> None:
    def plain(ctx: ActionContext) -> int:
        """Count."""
        return 1

    assert action(scopes=["a:b"], effect="read")(plain) is plain


def test_a_definition_knows_its_name_and_schemas() -> None:
    spec = define(list_days).spec
    assert (spec.name, spec.tool_name) == ("sales.list_days", "sales_list_days")
    assert spec.description == "Days of a region."
    assert set(spec.parameters["properties"]) == {"region", "limit"}
    assert spec.parameters["required"] == ["region"]
    assert spec.parameters["properties"]["region"]["description"] == "where"
    assert spec.returns["type"] == "array"


def test_a_resource_that_names_no_parameter_is_refused() -> None:
    @action(scopes=["a:b"], effect="read", resources=["sheet://{sheet}/{tab}"])
    def read_sheet(sheet: str) -> str:
        """Read a sheet."""
        return sheet

    with pytest.raises(ConfigurationError, match="names tab") as caught:
        define(read_sheet)
    assert caught.value.remedy == "Parameters: sheet."


async def test_values_leave_as_json() -> None:
    definition = define(list_days)
    arguments = definition.validate({"region": "eu", "limit": 1})
    value = await definition.call(arguments, None)  # type: ignore[arg-type]  # it ignores ctx
    assert value == [{"day": "2026-01-01", "amount": 1.5}]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "region"),
        ({"region": "asia"}, "region"),
        ({"region": "eu", "limit": 11}, "limit"),
        ({"region": "eu", "limit": "many"}, "limit"),
        ({"region": "eu", "ctx": {}}, "ctx"),
        ({"region": "eu", "surprise": 1}, "surprise"),
    ],
)
def test_each_wrong_argument_is_named(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        define(list_days).validate(arguments)
    assert [fault["argument"] for fault in caught.value.extra["faults"]] == [named]


async def test_a_value_of_another_type_than_declared_is_an_error() -> None:
    @action(scopes=["a:b"], effect="read")
    def wrong(ctx: ActionContext) -> int:
        """Lie."""
        return "seven"  # type: ignore[return-value]  # the point of the test

    with pytest.raises(SaafError, match="something other than it declares"):
        await define(wrong).call({}, None)  # type: ignore[arg-type]


async def test_a_plain_function_does_not_hold_up_the_loop() -> None:
    import time

    @action(scopes=["a:b"], effect="read")
    def slow(ctx: ActionContext) -> int:
        """Wait."""
        time.sleep(0.2)
        return 1

    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await define(slow).call({}, None)  # type: ignore[arg-type]
    ticking.cancel()
    assert ticks > 5


def test_no_scopes_is_no_action() -> None:
    with pytest.raises(TypeError, match="unknown means deny"):
        action(scopes=[], effect="read")
    with pytest.raises(TypeError, match="effect"):
        action(scopes=["a:b"], effect="delete")  # type: ignore[arg-type]


def test_what_a_model_would_need_is_asked_for() -> None:
    @action(scopes=["a:b"], effect="read")
    def silent(ctx: ActionContext) -> int:
        return 1

    @action(scopes=["a:b"], effect="read")
    def untyped(text, ctx: ActionContext) -> int:  # type: ignore[no-untyped-def]
        """Take anything."""
        return 1

    @action(scopes=["a:b"], effect="read")
    def open_ended(ctx: ActionContext, **more: int) -> int:
        """Take everything."""
        return 1

    for function, words in ((silent, "docstring"), (untyped, "text"), (open_ended, "more")):
        with pytest.raises(ConfigurationError, match=words):
            define(function)


def test_two_actions_that_would_be_one_tool_are_refused() -> None:
    def named(name: str) -> ActionDefinition:
        @action(scopes=["a:b"], effect="read", name=name)
        def function(ctx: ActionContext) -> int:
            """Count."""
            return 1

        return define(function)

    registry = ActionRegistry()
    registry.add(named("sales.top_list"))
    with pytest.raises(ConfigurationError, match="Two actions"):
        registry.add(named("sales.top_list"))
    with pytest.raises(ConfigurationError, match="both be the tool"):
        registry.add(named("sales_top.list"))
    for bad in ("sales", "Sales.list", "sales.list.all", "sales.list-all"):
        with pytest.raises(ConfigurationError, match="no name"):
            registry.add(named(bad))
    with pytest.raises(NotFound):
        registry.get("sales.none")


def test_a_keyed_write_says_so_and_takes_the_context_that_holds_the_key() -> None:
    @action(scopes=["a:b"], effect="write", keyed=True)
    def pay(amount: int, ctx: ActionContext) -> int:
        """Pay."""
        return amount

    @action(scopes=["a:b"], effect="write", keyed=True)
    def forgets(amount: int) -> int:
        """Pay."""
        return amount

    assert define(pay).spec.keyed
    assert not define(list_days).spec.keyed
    with pytest.raises(ConfigurationError, match="takes no ActionContext"):
        define(forgets)


@pytest.mark.parametrize("effect", ["read", "idempotent"])
def test_only_writes_are_keyed(effect: Literal["read", "idempotent"]) -> None:
    with pytest.raises(TypeError, match="keyed"):
        action(scopes=["a:b"], effect=effect, keyed=True)
