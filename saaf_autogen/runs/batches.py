"""Many runs at once, all or none: every fault of every request, one transaction, one key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from saaf_autogen.auth.principal import Principal
from saaf_autogen.crypto import digest
from saaf_autogen.errors import Conflict, IdempotencyMismatch, InvalidArguments, SaafError
from saaf_autogen.runs import store
from saaf_autogen.runs.model import Run, RunRequest
from saaf_autogen.runs.text import canonical, clean_json

__all__ = ["MAX_BATCH", "Batch", "Refused", "checked", "create"]

MAX_BATCH = 100


class Batch(BaseModel):
    """The body of a batch: runs that are started together."""

    model_config = ConfigDict(extra="forbid")

    runs: Annotated[list[RunRequest], Field(min_length=1, max_length=MAX_BATCH)]


@dataclass
class Refused:
    """What is wrong with a batch, each fault with the index of its request.

    ``refusals`` are, of each refused request, the agent that it names and the reason.
    """

    errors: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)

    def add(self, index: int, agent_id: str, error: SaafError) -> None:
        """Note what is wrong with a request."""
        told = error.problem()
        names = ("code", "detail", "remedy", "faults", "missing_scopes", "maximum")
        self.errors.append({"index": index, **{name: told[name] for name in names if name in told}})
        self.refusals.append((agent_id, error.detail))

    def error(self) -> InvalidArguments:
        """The whole as one error."""
        count = len({each["index"] for each in self.errors})
        which = "1 request of the batch is" if count == 1 else f"{count} requests of the batch are"
        return InvalidArguments(
            f"{which} refused, so none was started.",
            remedy="Mend those that errors names by their index, from 0.",
            extra={"errors": self.errors},
        )


async def checked(
    requests: Sequence[RunRequest | Mapping[str, Any]],
    order: Callable[[Principal, RunRequest], store.NewRun],
    check_webhook: Callable[[Principal, str], Awaitable[None]],
    principal: Principal,
) -> list[store.NewRun] | Refused:
    """What the runs are made of, or all that is wrong with the requests.

    Args:
        requests: the runs, or what came as such over the network.
        order: from a request to what its run is made of.
        check_webhook: refuses an address; asked once for each.
        principal: the caller, with what it holds now.

    Raises:
        InvalidArguments: there are none, or too many.
    """
    if not 1 <= len(requests) <= MAX_BATCH:
        raise InvalidArguments(
            f"The batch has {len(requests)} runs.", remedy=f"Send 1 to {MAX_BATCH} at once."
        )
    refused = Refused()
    orders: list[store.NewRun] = []
    of_url: dict[str, list[int]] = {}
    for index, given in enumerate(requests):
        try:
            request = _request(given)
            if request.webhook:
                of_url.setdefault(request.webhook.url, []).append(index)
            orders.append(order(principal, request))
        except SaafError as error:
            refused.add(index, _agent_of(given), error)
    for url, refusal in await _refused_webhooks(list(of_url), check_webhook, principal):
        for index in of_url[url]:
            refused.add(index, _agent_of(requests[index]), refusal)
    if refused.errors:
        refused.errors.sort(key=lambda each: int(each["index"]))
        return refused
    return orders


def create(
    session: Session, orders: Sequence[store.NewRun], key: str | None, now: datetime
) -> tuple[list[Run], bool]:
    """The runs in their order, and whether they are new: the same key and requests give the same.

    Raises:
        IdempotencyMismatch: the key came before, with other requests.
        Conflict: some of the key's runs were pruned since.
    """
    bodies = [order.request.model_dump(mode="json") for order in orders]
    fingerprint = digest(canonical(clean_json(bodies)))
    keys = _keys(key, len(orders))
    keyed = [replace(order, idempotency_key=each) for order, each in zip(orders, keys, strict=True)]
    try:
        # As for one run: the unique key of the first decides between two batches at once.
        with session.begin_nested():
            return store.create_many(session, keyed, fingerprint, now), True
    except IntegrityError:
        if key is None:
            raise
    found = store.keyed(session, orders[0].owner, keys)
    if found and found[0][1] != fingerprint:
        raise IdempotencyMismatch(
            "This Idempotency-Key was used before, for another body.",
            remedy="Use a new key for a new request.",
        )
    if len(found) != len(orders):
        raise Conflict(
            "Runs of this Idempotency-Key's batch were pruned since.",
            remedy="Use a new key to start them anew.",
        )
    return [run for run, _ in found], False


def _keys(key: str | None, count: int) -> list[str | None]:
    """The key itself for the first run, so that a single run's key is not one of a batch, too."""
    if key is None:
        return [None] * count
    return [key, *(f"batch:{digest(key)}:{number}" for number in range(1, count))]


def _request(given: RunRequest | Mapping[str, Any]) -> RunRequest:
    if isinstance(given, RunRequest):
        return given
    try:
        return RunRequest.model_validate(given)
    except ValidationError as error:
        faults = [
            {"field": ".".join(map(str, fault["loc"])), "message": fault["msg"]}
            for fault in error.errors(include_url=False, include_input=False)
        ]
        told = "; ".join(f"{fault['field'] or 'run'}: {fault['message']}" for fault in faults)
        raise InvalidArguments(
            f"The request is not valid: {told}.", extra={"faults": faults}
        ) from None


async def _refused_webhooks(
    urls: Sequence[str],
    check: Callable[[Principal, str], Awaitable[None]],
    principal: Principal,
) -> list[tuple[str, SaafError]]:
    outcomes = await asyncio.gather(
        *(check(principal, url) for url in urls), return_exceptions=True
    )
    refused: list[tuple[str, SaafError]] = []
    for url, outcome in zip(urls, outcomes, strict=True):
        if isinstance(outcome, SaafError) and outcome.status < 500:
            refused.append((url, outcome))
        elif isinstance(outcome, BaseException):
            raise outcome
    return refused


def _agent_of(given: RunRequest | Mapping[str, Any]) -> str:
    named = given.agent_id if isinstance(given, RunRequest) else None
    if isinstance(given, Mapping):
        named = given.get("agent_id")
    return named[:63] if isinstance(named, str) else "?"
