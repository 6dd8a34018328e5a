"""An operator looks after runs at the store: what they used, who executes them, what is old."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from saaf_autogen.audit import AuditLog
from saaf_autogen.clock import SystemClock
from saaf_autogen.crypto import Sealer
from saaf_autogen.db import Database
from saaf_autogen.errors import InvalidArguments
from saaf_autogen.project.deployment import Deployment, read_deployment
from saaf_autogen.project.discovery import find_project
from saaf_autogen.project.people import OPERATOR
from saaf_autogen.project.state import open_state
from saaf_autogen.project.stores import open_database
from saaf_autogen.runs.metering import UsageFilter, UsageGroup, UsageLine, UsagePage, usage_page
from saaf_autogen.runs.releases import Fleet, fleet, release_of
from saaf_autogen.runs.retention import PruneCounts, Pruner

__all__ = ["Upkeep", "open_upkeep"]

_PAGE = 500


class Upkeep:
    """Reads of all tenants, and deletes what is old; hosts may run meanwhile.

    Args:
        deployment: what the folder says.
        database: the store.
        sealer: seals the audit's chain.
    """

    def __init__(self, deployment: Deployment, database: Database, sealer: Sealer) -> None:
        self.settings = deployment.settings.runs
        self._database = database
        audit = AuditLog(database, sealer.derive("audit"))
        self._pruner = Pruner(database, audit, SystemClock(), who=OPERATOR)

    def usage(self, wanted: UsageFilter, group_by: UsageGroup) -> tuple[list[UsageLine], UsageLine]:
        """Usage by group, all groups, and the total."""
        lines: list[UsageLine] = []
        after = ""
        while True:
            page = self._page(wanted, group_by, after)
            lines += page.data
            if page.next_cursor is None:
                return lines, page.total
            after = page.next_cursor

    def fleet(self) -> Fleet:
        """The workers, and the open runs of all tenants by release."""
        with self._database.transaction(read=True) as session:
            return fleet(session, pinned=self.settings.pinned, tenant=None)

    def release(self) -> str:
        """The release of this deployment."""
        return release_of(self.settings, os.environ)

    def prune(
        self,
        older_than: timedelta | None,
        *,
        usage_older_than: timedelta | None = None,
        dry_run: bool = False,
        progress: Callable[[PruneCounts], bool | None] = lambda _: None,
    ) -> PruneCounts:
        """Delete what ended longer ago, or count it; None: as ``runs.keep_days`` says.

        Raises:
            InvalidArguments: neither says how long runs are kept.
        """
        if older_than is None:
            if self.settings.keep_days is None:
                raise InvalidArguments(
                    "saaf.yaml does not say how long ended runs are kept.",
                    remedy="Pass --older-than 30d, or set runs.keep_days.",
                )
            older_than = timedelta(days=self.settings.keep_days)
        if dry_run:
            return self._pruner.prunable(older_than, usage_older_than=usage_older_than)
        return self._pruner.prune(older_than, usage_older_than=usage_older_than, progress=progress)

    def _page(self, wanted: UsageFilter, group_by: UsageGroup, after: str) -> UsagePage:
        with self._database.transaction(read=True) as session:
            return usage_page(session, wanted, group_by, after=after, limit=_PAGE)


@contextmanager
def open_upkeep(project: Path | None) -> Iterator[Upkeep]:
    """Upkeep of the nearest deployment's store."""
    deployment = read_deployment(find_project(project))
    state, sealer = open_state(deployment)
    database = open_database(deployment, state)
    try:
        yield Upkeep(deployment, database, sealer)
    finally:
        database.close()
