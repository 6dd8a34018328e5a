"""An action made of a function: its argument model, its schemas, and how it is called."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from string import Formatter
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticSerializationError

from saaf_autogen.actions.context import ActionContext
from saaf_autogen.actions.declaration import ActionDeclaration
from saaf_autogen.actions.spec import ActionSpec
from saaf_autogen.errors import ConfigurationError, InvalidArguments, SaafError

__all__ = ["ActionDefinition"]


@dataclass(frozen=True)
class ActionDefinition:
    """A registered action."""

    spec: ActionSpec
    declaration: ActionDeclaration
    function: Callable[..., Any]
    arguments: type[BaseModel]
    returns: TypeAdapter[Any]
    context_parameter: str | None
    is_async: bool

    @classmethod
    def of(
        cls, function: Callable[..., Any], declaration: ActionDeclaration, *, pack: str
    ) -> ActionDefinition:
        """Read a function's signature. Raises ``ConfigurationError`` naming what is missing."""
        name = declaration.name or f"{pack}.{function.__name__}"
        try:
            hints = get_type_hints(function, include_extras=True)
        except NameError as error:
            raise ConfigurationError(
                f"{name}: an annotation cannot be resolved: {error}"
            ) from error
        description = inspect.getdoc(function)
        if not description:
            raise ConfigurationError(
                f"{name} has no docstring.", remedy="Models choose a tool by it: write one."
            )
        context_parameter: str | None = None
        fields: dict[str, Any] = {}
        for parameter in inspect.signature(function).parameters.values():
            annotation = hints.get(parameter.name)
            if annotation is ActionContext:
                context_parameter = parameter.name
                continue
            if annotation is None or parameter.kind in (
                parameter.VAR_POSITIONAL,
                parameter.VAR_KEYWORD,
                parameter.POSITIONAL_ONLY,
            ):
                raise ConfigurationError(
                    f"{name}: the parameter {parameter.name!r} must be named and annotated."
                )
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (annotation, default)
        _check_key(name, declaration, context_parameter)
        _check_templates(name, declaration, fields)
        if "return" not in hints:
            raise ConfigurationError(f"{name}: annotate what it returns.")
        try:
            model: type[BaseModel] = create_model(
                f"{name.title().replace('.', '').replace('_', '')}Arguments",
                __config__=ConfigDict(extra="forbid", allow_inf_nan=False),
                **fields,
            )
            returns: TypeAdapter[Any] = TypeAdapter(hints["return"])
            spec = ActionSpec(
                name=name,
                description=description,
                scopes=declaration.scopes,
                effect=declaration.effect,
                parameters=model.model_json_schema(),
                returns=returns.json_schema(mode="serialization"),
                keyed=declaration.keyed,
            )
        except PydanticUserError as error:
            raise ConfigurationError(f"{name}: a type has no JSON Schema: {error}") from error
        is_async = inspect.iscoroutinefunction(function)
        return cls(spec, declaration, function, model, returns, context_parameter, is_async)

    def validate(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the function takes them, or ``InvalidArguments`` naming each fault."""
        try:
            model = self.arguments.model_validate(dict(arguments))
        except ValidationError as error:
            faults = [
                {"argument": ".".join(map(str, fault["loc"])) or "(all)", "message": fault["msg"]}
                for fault in error.errors(include_url=False, include_input=False)
            ]
            told = "; ".join(f"{fault['argument']}: {fault['message']}" for fault in faults)
            raise InvalidArguments(
                f"{self.spec.name} does not take these arguments: {told}.",
                remedy="Compare them with the action's schema.",
                extra={"faults": faults},
            ) from None
        return {name: getattr(model, name) for name in type(model).model_fields}

    async def call(
        self, arguments: Mapping[str, Any], context: ActionContext, threads: Executor | None = None
    ) -> Any:
        """Run the function and return its value as JSON-able data.

        A function that is not async runs in one of ``threads`` (default: the event loop's own),
        with the caller's context variables.
        """
        bound = dict(arguments)
        if self.context_parameter:
            bound[self.context_parameter] = context
        if self.is_async:
            value = await self.function(**bound)
        else:
            work = partial(copy_context().run, self.function, **bound)
            value = await asyncio.get_running_loop().run_in_executor(threads, work)
        try:
            # What was just validated is what is declared, so there is nothing to be warned of.
            return self.returns.dump_python(
                self.returns.validate_python(value), mode="json", warnings=False
            )
        except (ValidationError, PydanticSerializationError, ValueError) as error:
            raise SaafError(
                f"{self.spec.name} returned something other than it declares.",
                remedy="Its author must mend the function or its return annotation.",
            ) from error


def _check_key(name: str, declaration: ActionDeclaration, context_parameter: str | None) -> None:
    """Refuse a keyed action that never sees its key."""
    if declaration.keyed and context_parameter is None:
        raise ConfigurationError(
            f"{name} is keyed and takes no ActionContext.",
            remedy="Add ctx: ActionContext, and hand ctx.idempotency_key on.",
        )


def _check_templates(name: str, declaration: ActionDeclaration, fields: Mapping[str, Any]) -> None:
    """Refuse a resource that names what the function does not take: no call could pass."""
    templates = () if callable(declaration.resources) else declaration.resources
    for template in templates:
        named = {part for _, part, _, _ in Formatter().parse(template) if part is not None}
        if unknown := sorted(named - set(fields)):
            raise ConfigurationError(
                f"{name}: the resource {template!r} names {', '.join(unknown)}, "
                "which is no parameter.",
                remedy=f"Parameters: {', '.join(fields) or 'none'}.",
            )
