"""JSON merge patches (RFC 7396), and what they make of an entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from saaf_autogen.errors import InvalidArguments

__all__ = ["merge_patch", "patched", "validated"]

Model = TypeVar("Model", bound=BaseModel)


def merge_patch(target: Any, patch: Any) -> Any:
    """The target after the patch, by the function of RFC 7396, section 2; neither is altered."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def patched(model: Model, patch: Mapping[str, Any]) -> Model:
    """The model after the patch; a member that the patch removes gets its default again.

    Raises:
        InvalidArguments: the patch names a field that there is not, or the result is not valid.
    """
    return validated(type(model), merge_patch(model.model_dump(mode="json"), patch))


def validated(kind: type[Model], data: Any) -> Model:
    """The data as a model.

    Raises:
        InvalidArguments: naming each fault. Values are not echoed.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        faults = [
            {"field": ".".join(map(str, fault["loc"])), "message": fault["msg"]}
            for fault in error.errors(include_url=False, include_input=False)
        ]
        told = "; ".join(f"{fault['field'] or 'body'}: {fault['message']}" for fault in faults)
        raise InvalidArguments(
            f"The request is not valid: {told}.", extra={"faults": faults}
        ) from None
