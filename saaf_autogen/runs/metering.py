"""What ended runs used, added up by the store: for bills, budgets and the curious."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, String, case, distinct, func, literal_column, select
from sqlalchemy.orm import Session

from saaf_autogen.auth.administration.pages import after_of, cursor_of
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.standing import Standing
from saaf_autogen.db import Database
from saaf_autogen.runs.tables import UsageRow
from saaf_autogen.runs.usage import NANO

__all__ = [
    "AdminGroup",
    "OwnGroup",
    "UsageFilter",
    "UsageGroup",
    "UsageLine",
    "UsagePage",
    "UsageQuery",
    "UsageReader",
    "moment_of",
    "csv_rows",
    "usage_csv",
    "usage_page",
]

OwnGroup = Literal["agent", "model", "day"]
AdminGroup = Literal["agent", "model", "day", "principal"]
UsageGroup = Literal["agent", "model", "day", "principal", "tenant"]


class UsageLine(BaseModel):
    """What the runs of one group used.

    Attributes:
        key: the agent, the model, the day (UTC), or the principal as ``ISSUER|SUBJECT``.
        runs: ended runs that called a model.
        estimated: in part counted at four characters a token, as a model did not say.
        usd: what the calls cost that have a price; None where none of them has.
        unpriced_calls: model calls without a price, which ``usd`` does not hold.
    """

    key: str
    runs: int
    model_calls: int
    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    usd: float | None
    unpriced_calls: int


class UsagePage(BaseModel):
    """A page of groups by their keys, and the total over all of them, not of the page alone."""

    group_by: UsageGroup
    data: list[UsageLine]
    total: UsageLine
    next_cursor: str | None = None


class UsageQuery(BaseModel):
    """What a caller asks for: a period whose either end may be open, days counting in UTC."""

    model_config = ConfigDict(extra="forbid")

    since: Annotated[AwareDatetime | date | None, Field(alias="from")] = None
    until: Annotated[AwareDatetime | date | None, Field(alias="to")] = None
    group_by: OwnGroup = "agent"
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50

    def terms(self) -> dict[str, Any]:
        """The same as arguments of ``UsageReader.own``."""
        return {
            "group_by": self.group_by,
            "since": moment_of(self.since),
            "until": moment_of(self.until),
            "cursor": self.cursor,
            "limit": self.limit,
        }


@dataclass(frozen=True)
class UsageFilter:
    """Which usage counts.

    Attributes:
        tenant: of one tenant; None: of all, for the operator alone.
        owner: of one caller; None: of all.
        since: runs that ended at this time or later.
        until: runs that ended before it.
    """

    tenant: str | None
    owner: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """The same as conditions on the table."""
        given: list[ColumnElement[bool]] = []
        if self.tenant is not None:
            given.append(UsageRow.tenant == self.tenant)
        if self.owner is not None:
            given.append(UsageRow.owner == self.owner)
        if self.since is not None:
            given.append(UsageRow.at >= self.since)
        if self.until is not None:
            given.append(UsageRow.at < self.until)
        return given


def moment_of(given: date | datetime | None) -> datetime | None:
    """A day as its beginning in UTC; a time as it is."""
    if given is None or isinstance(given, datetime):
        return given
    return datetime.combine(given, time(), UTC)


def usage_page(
    session: Session,
    wanted: UsageFilter,
    group_by: UsageGroup,
    *,
    after: str = "",
    limit: int = 50,
) -> UsagePage:
    """Usage by group, in the order of the groups' keys.

    Args:
        session: a transaction.
        wanted: what counts.
        group_by: what makes a group.
        after: the last key of the page before; ``next_cursor`` of the answer.
        limit: groups a page.
    """
    key = _key(session, group_by)
    shown = [*wanted.conditions, *([key > _stored(after, group_by, wanted)] if after else [])]
    rows = session.execute(
        select(key, *_SUMS).where(*shown).group_by(key).order_by(key).limit(limit + 1)
    ).all()
    total = session.execute(select(*_SUMS).where(*wanted.conditions)).one()
    lines = [_line(_told(row[0], group_by, wanted), row[1:]) for row in rows[:limit]]
    return UsagePage(
        group_by=group_by,
        data=lines,
        total=_line("total", total),
        next_cursor=lines[-1].key if len(rows) > limit else None,
    )


def usage_csv(page: UsagePage) -> str:
    """The groups of a page as CSV (RFC 4180), without the total."""
    text = io.StringIO()
    csv.writer(text).writerows(csv_rows(page.group_by, page.data))
    return text.getvalue()


def csv_rows(group_by: UsageGroup, lines: Iterable[UsageLine]) -> Iterator[list[Any]]:
    """A heading, then a row for each group; what is not known is empty."""
    names = [name for name in UsageLine.model_fields if name != "key"]
    yield [group_by, *names]
    for line in lines:
        body = line.model_dump()
        yield [_text(line.key), *(_cell(body[name]) for name in names)]


class UsageReader:
    """Usage for whoever may see it.

    Args:
        database: the store.
        policy: which scopes a caller holds.
        standing: what a caller still holds now; None: as it comes.
    """

    def __init__(
        self, database: Database, *, policy: Policy, standing: Standing | None = None
    ) -> None:
        self._database = database
        self._policy = policy
        self._standing = standing

    async def own(
        self,
        principal: Principal,
        group_by: OwnGroup = "agent",
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> UsagePage:
        """What the caller's own runs used; raises ``InsufficientScope`` without ``runs:read``."""
        if self._standing is not None:
            principal = await self._standing.now(principal)
        self._policy.require_scopes(principal, ["runs:read"], action="Reading usage")
        wanted = UsageFilter(principal.tenant, principal.key, since, until)
        return await self.page(wanted, group_by, cursor=cursor, limit=limit)

    async def page(
        self,
        wanted: UsageFilter,
        group_by: UsageGroup,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> UsagePage:
        """What a filter lets through; whoever calls this has asked for the right to see it."""
        page = await self._database.read(
            usage_page, wanted, group_by, after=after_of(cursor), limit=limit
        )
        following = None if page.next_cursor is None else cursor_of(page.next_cursor)
        return page.model_copy(update={"next_cursor": following})


_SUMS = (
    func.count(distinct(UsageRow.run_id)),
    func.coalesce(func.sum(UsageRow.calls), 0),
    func.coalesce(func.sum(UsageRow.prompt_tokens), 0),
    func.coalesce(func.sum(UsageRow.completion_tokens), 0),
    func.coalesce(func.max(case((UsageRow.estimated, 1), else_=0)), 0),
    func.sum(UsageRow.nano_usd),
    func.coalesce(func.sum(case((UsageRow.nano_usd.is_(None), UsageRow.calls), else_=0)), 0),
)


def _line(key: str, sums: Any) -> UsageLine:
    runs, calls, prompt, completion, estimated, nano, unpriced = sums
    return UsageLine(
        key=key,
        runs=int(runs),
        model_calls=int(calls),
        prompt_tokens=int(prompt),
        completion_tokens=int(completion),
        estimated=bool(estimated),
        usd=None if nano is None else int(nano) / NANO,
        unpriced_calls=int(unpriced),
    )


def _key(session: Session, group_by: UsageGroup) -> Any:
    if group_by == "day":
        if session.get_bind().dialect.name == "postgresql":
            # Literal: a bound parameter would make the key of the group another expression.
            there = func.timezone(literal_column("'UTC'", String), UsageRow.at)
            return func.to_char(there, literal_column("'YYYY-MM-DD'", String))
        return func.strftime(literal_column("'%Y-%m-%d'", String), UsageRow.at)
    return {
        "agent": UsageRow.agent_id,
        "model": UsageRow.model,
        "principal": UsageRow.owner,
        "tenant": UsageRow.tenant,
    }[group_by]


def _told(key: str, group_by: UsageGroup, wanted: UsageFilter) -> str:
    """Owners begin with their tenant, which nobody is told within one tenant."""
    if group_by == "principal" and wanted.tenant is not None:
        return key.removeprefix(f"{wanted.tenant}|")
    return key


def _stored(key: str, group_by: UsageGroup, wanted: UsageFilter) -> str:
    if group_by == "principal" and wanted.tenant is not None:
        return f"{wanted.tenant}|{key}"
    return key


def _text(key: str) -> str:
    """A key as no spreadsheet takes it for a formula."""
    return f"'{key}" if key[:1] in ("=", "+", "-", "@", "\t", "\r") else key


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value
