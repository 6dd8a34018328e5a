"""What the tests of this room hold in their hands."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import event, text

from saaf_autogen.audit import AuditLog
from saaf_autogen.auth.identity.people import People
from saaf_autogen.auth.identity.users import UserRecord
from saaf_autogen.db import Database
from saaf_autogen.testing import ManualClock

__all__ = ["PASSWORD", "Household", "at_once"]

PASSWORD = "mountain tulip engine 7"
Result = TypeVar("Result")


@dataclass
class Household:
    """The room's parts over one store, and the ids of users whose tokens were ended."""

    database: Database
    people: People
    audit: AuditLog
    clock: ManualClock
    ended: list[str]

    def user(
        self, username: str = "ann", password: str | None = PASSWORD, **more: Any
    ) -> UserRecord:
        hashed = self.people.passwords.hash_blocking(password) if password else None
        return self.people.users.add(username, password_hash=hashed, **more)

    def cookie(self, user: UserRecord) -> str:
        return self.people.sessions.start(
            user, amr=("pwd",), address="192.0.2.1", user_agent="Firefox"
        )[0]

    def revision(self, tenant: str = "default") -> int:
        query = text("SELECT number FROM revisions WHERE tenant = :t AND topic = 'principals'")
        with self.database.transaction(read=True) as session:
            return session.scalar(query, {"t": tenant}) or 0

    async def recorded(self) -> list[dict[str, Any]]:
        """The audit's entries."""
        await self.audit.flush()
        with self.database.transaction(read=True) as session:
            rows = session.execute(text("SELECT body FROM audit_entries ORDER BY seq"))
            return [json.loads(row.body) for row in rows]

    def statements(self, work: Callable[[], Any]) -> list[str]:
        """The statements that some work sends to the store."""
        sent: list[str] = []

        def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            sent.append(statement)

        event.listen(self.database.engine, "before_cursor_execute", note)
        try:
            work()
        finally:
            event.remove(self.database.engine, "before_cursor_execute", note)
        return [each for each in sent if not each.startswith("BEGIN")]


def at_once(work: Callable[[], Result], times: int = 8) -> list[Result | Exception]:
    """The outcomes of the same work in so many threads that start together."""
    outcomes: list[Result | Exception] = []
    start = threading.Barrier(times)

    def run() -> None:
        start.wait()
        try:
            outcomes.append(work())
        except Exception as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
