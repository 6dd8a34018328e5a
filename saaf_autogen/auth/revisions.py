"""How processes learn that users, clients, groups or grants changed: a number a topic, polled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from saaf_autogen.auth.tables import RevisionRow
from saaf_autogen.db import Database

__all__ = ["Revisions", "Topic", "bump"]

Topic = Literal["principals", "grants"]
"""``principals``: users, groups, memberships, clients. ``grants``: grants and deny rules."""


def bump(session: Session, topic: Topic, *, tenant: str) -> None:
    """Say, in the transaction of a change, that what others remember of a topic is old."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    statement = dialect.insert(RevisionRow).values(tenant=tenant, topic=topic, number=1)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[RevisionRow.tenant, RevisionRow.topic],
            set_={"number": RevisionRow.number + 1},
        )
    )


class Revisions:
    """Reads the numbers. Synchronous: call it in a thread from async code."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: Mapping[tuple[str, str], int] = {}

    def changed(self) -> frozenset[str]:
        """The topics that changed since the last time that this was asked."""
        with self._database.transaction(read=True) as session:
            rows = session.execute(select(RevisionRow)).scalars().all()
        now = {(row.tenant, row.topic): row.number for row in rows}
        changed = {
            topic for (tenant, topic), n in now.items() if self._known.get((tenant, topic)) != n
        }
        self._known = now
        return frozenset(changed)
