"""What a principal that was vouched for earlier may still do now."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from saaf_autogen.auth.client_record import ClientRecord, client_record
from saaf_autogen.auth.identity.records import UserRecord
from saaf_autogen.auth.identity.tables import UserRow
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.scopes import IDENTITY_SCOPES, expand
from saaf_autogen.auth.tables import ClientRow
from saaf_autogen.auth.tokens.revocation import revoked_name
from saaf_autogen.clock import Clock
from saaf_autogen.db import Database
from saaf_autogen.errors import Forbidden, SaafError, Unauthenticated, Unavailable

__all__ = ["LOCAL_ISSUER", "STALE_S", "Standing"]

LOCAL_ISSUER = "local"
"""The issuer of principals that code in this process made: it is trusted, and asked nothing."""

STALE_S = 30.0
"""Seconds for which the last known answer holds while the store cannot be asked."""

_MAX_KNOWN = 10_000
_IDENTITY = frozenset(scope.name for scope in IDENTITY_SCOPES)
_Key = tuple[str, str, str, str | None, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the store said of a subject and of the clients party to its calls.

    ``scopes`` is the most that it may have; None: as the token says. So for the others.
    """

    refusal: tuple[Literal["gone", "blocked"], str] | None = None
    groups: frozenset[str] | None = None
    attributes: Mapping[str, Any] | None = None
    scopes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    answer: _Answer
    generation: int
    read_at: float


class Standing:
    """Compares a principal with what holds now, from memory after the first time.

    - Of the embedded issuer: the user and every client party to the call must be active; groups
      and attributes are those that the subject has now, scopes those that user and clients may
      all have now.
    - Of another trusted issuer: as its token says, unless an admin disabled the user of that
      issuer and subject in that tenant. Of an issuer that is no longer trusted: refused.
    - Made in this process (``local``): as it is.

    A token or a family that was revoked is refused, whoever issued it.

    ``flush`` when the topic ``principals`` changes and ``confirm`` after each look at the store,
    so that no call asks the database. If nobody could look for ``STALE_S`` seconds, answers are
    read anew, and refused where that fails.

    Args:
        database: where users are kept.
        user: a user by id, from the store.
        document: the client of a client id metadata document, as far as it is known just now.
        is_document: whether a client id may be the address of one. No admin can disable such a
            client; one that is not known now is taken to be as its token says.
        revoked: ids of revoked tokens and families.
        issuer: the embedded issuer.
        trusted: other issuers.
        tenants: all that there are; None: any.
        clock: the time.
    """

    def __init__(
        self,
        database: Database,
        *,
        user: Callable[[str], UserRecord | None],
        document: Callable[[str], ClientRecord | None] | None = None,
        is_document: Callable[[str], bool] | None = None,
        revoked: Container[str | None],
        issuer: str,
        trusted: Container[str] = (),
        tenants: Container[str] | None = None,
        clock: Clock,
    ) -> None:
        self._database = database
        self._user = user
        self._document = document
        self._is_document = is_document
        self._revoked = revoked
        self._issuer = issuer
        self._trusted = trusted
        self._tenants = tenants
        self._clock = clock
        self._known: OrderedDict[_Key, _Known] = OrderedDict()
        self._asking: dict[tuple[_Key, int], asyncio.Future[_Answer]] = {}
        self._generation = 0
        self._confirmed_at = clock.monotonic()

    async def now(self, principal: Principal) -> Principal:
        """The principal with the groups, attributes and scopes that it has now.

        Raises:
            Unauthenticated: its token was revoked, its issuer is not trusted, or its user or
                client is no longer active.
            Forbidden: an admin blocked this subject of an external issuer.
            Unavailable: nobody can tell, because the store is away for too long.
        """
        self._require_unrevoked(principal)
        if self._tenants is not None and principal.tenant not in self._tenants:
            raise _gone(f"There is no tenant {principal.tenant} here.")
        if principal.issuer == LOCAL_ISSUER:
            return principal
        actors = tuple(actor.subject for actor in principal.actors)
        client, tenant = principal.client_id, principal.tenant
        key = (principal.issuer, tenant, principal.subject, client, actors)
        known = self._known.get(key)
        if known is not None and self._is_fresh(known):
            answer = known.answer
        else:
            answer = await self._ask(key, principal)
        return _applied(answer, principal)

    def flush(self) -> None:
        """Ask the store anew, each subject at its next call. Safe from any thread."""
        self._generation += 1

    def confirm(self) -> None:
        """Say that the store was looked at just now, and that all it told was passed on."""
        self._confirmed_at = self._clock.monotonic()

    def _require_unrevoked(self, principal: Principal) -> None:
        token, family = principal.token_id, principal.family
        if token is None and family is None:
            return
        if (
            token in self._revoked
            or family in self._revoked
            or revoked_name(principal.tenant, token) in self._revoked
        ):
            raise _gone("The token by which this was started was revoked.")

    def _is_fresh(self, known: _Known) -> bool:
        since = max(known.read_at, self._confirmed_at)
        fresh = self._clock.monotonic() - since <= STALE_S
        return fresh and known.generation == self._generation

    async def _ask(self, key: _Key, principal: Principal) -> _Answer:
        """Read the store, once for all who ask the same at the same time."""
        # The number before the reading: what changes meanwhile makes the answer old.
        generation, loop = self._generation, asyncio.get_running_loop()
        asking = self._asking.get((key, generation))
        if asking is None or asking.get_loop() is not loop:
            asking = loop.create_task(self._read(key, principal, generation))
            self._asking[key, generation] = asking
            asking.add_done_callback(lambda _: self._asking.pop((key, generation), None))
        return await asyncio.shield(asking)

    async def _read(self, key: _Key, principal: Principal, generation: int) -> _Answer:
        at = self._clock.monotonic()
        try:
            answer = await asyncio.to_thread(self._answer, principal)
        except SQLAlchemyError as error:
            raise Unavailable(
                "Whether this caller may still act cannot be told: the store does not answer.",
                remedy="Try again in a moment.",
            ) from error
        self._known[key] = _Known(answer, generation, at)
        self._known.move_to_end(key)
        while len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)
        return answer

    def _answer(self, principal: Principal) -> _Answer:
        if principal.issuer == self._issuer:
            return self._of_ours(principal)
        if principal.issuer not in self._trusted:
            return _refused(
                "gone",
                f"{principal.issuer} is not an issuer that is trusted here: this process knows "
                f"itself as {self._issuer}.",
            )
        return self._of_others(principal)

    def _of_ours(self, principal: Principal) -> _Answer:
        caps: list[frozenset[str]] = []
        holder: UserRecord | ClientRecord | None = None
        for client_id in _clients(principal):
            client, is_stored = self._client(client_id)
            if client is None and not is_stored:
                continue
            if client is None or not client.serves(principal.tenant) or not client.active:
                return _refused("gone", f"The client {client_id} is no longer active.")
            caps.append(expand(client.scopes))
            if principal.subject == f"client:{client_id}":
                holder = client
        if principal.kind == "user":
            user = self._user(principal.subject)
            if user is None or user.tenant != principal.tenant or not user.active:
                return _refused("gone", "The user is no longer active.")
            caps.append(expand(user.scopes))
            holder = user
        if holder is None:
            return _refused("gone", f"{principal.subject} is not known here.")
        return _Answer(
            groups=frozenset(holder.groups),
            attributes={
                name: tuple(value) if isinstance(value, list) else value
                for name, value in holder.attributes.items()
            },
            scopes=frozenset.intersection(*caps) | _IDENTITY,
        )

    def _client(self, client_id: str) -> tuple[ClientRecord | None, bool]:
        """The client, and whether it is for the store to say."""
        if self._is_document is not None and self._is_document(client_id):
            return self._document(client_id) if self._document else None, False
        with self._database.transaction(read=True) as session:
            row = session.get(ClientRow, client_id)
            return (None if row is None else client_record(row)), True

    def _of_others(self, principal: Principal) -> _Answer:
        query = select(UserRow.id).where(
            UserRow.issuer == principal.issuer,
            UserRow.subject == principal.subject,
            UserRow.tenant == principal.tenant,
            UserRow.disabled_at.is_not(None),
        )
        with self._database.transaction(read=True) as session:
            blocked = session.scalar(query)
        if blocked is not None:
            return _refused("blocked", "An admin disabled this user here.")
        return _Answer()


def _clients(principal: Principal) -> Iterator[str]:
    """Every client that is party to a call of a principal, each once."""
    named = [principal.subject, *(actor.subject for actor in principal.actors)]
    found = [name.removeprefix("client:") for name in named if name.startswith("client:")]
    if principal.client_id is not None:
        found.append(principal.client_id)
    yield from dict.fromkeys(found)


def _applied(answer: _Answer, principal: Principal) -> Principal:
    if answer.refusal is not None:
        kind, sentence = answer.refusal
        raise _gone(sentence) if kind == "gone" else _blocked(sentence)
    changed: dict[str, Any] = {}
    if answer.groups is not None and answer.groups != principal.groups:
        changed["groups"] = answer.groups
    if answer.attributes is not None and answer.attributes != principal.attributes:
        changed["attributes"] = dict(answer.attributes)
    if answer.scopes is not None and not principal.scopes <= answer.scopes:
        changed["scopes"] = expand(principal.scopes) & answer.scopes
    return principal.model_copy(update=changed) if changed else principal


def _refused(kind: Literal["gone", "blocked"], sentence: str) -> _Answer:
    return _Answer(refusal=(kind, sentence))


def _gone(sentence: str) -> SaafError:
    return Unauthenticated(
        sentence, remedy="Sign in again, or ask an admin.", extra={"error": "invalid_token"}
    )


def _blocked(sentence: str) -> SaafError:
    return Forbidden(sentence, remedy="Ask an admin.")
