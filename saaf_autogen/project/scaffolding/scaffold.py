"""Plans what semantic files should say beyond what they do; ``write`` puts a plan on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from saaf_autogen.auth.grants import compile_grant
from saaf_autogen.clock import Clock, SystemClock
from saaf_autogen.project.scaffolding.drafts import (
    SECTIONS,
    FieldDraft,
    TableDraft,
    draft_field,
    draft_relationship,
    draft_table,
)
from saaf_autogen.project.scaffolding.edits import CannotEdit, Item
from saaf_autogen.project.scaffolding.files import FileChange, Files
from saaf_autogen.project.scaffolding.inventory import Described, Inventory
from saaf_autogen.project.scaffolding.site import Site
from saaf_autogen.project.scaffolding.text import (
    field_lines,
    relationship_lines,
    table_lines,
)
from saaf_autogen.sql.introspection import (
    ColumnInfo,
    Introspection,
    Profile,
    Progress,
    SampleMode,
    TableInfo,
    introspect,
    look_into,
)
from saaf_autogen.sql.warehouse import Warehouse

__all__ = ["Becoming", "ScaffoldPlan", "gaps", "plan_scaffold", "scaffold"]

Key = tuple[str, str]
_COLUMNS_OF_A_FILE = 5_000


@dataclass(frozen=True)
class Becoming:
    """A column that a plan describes for the first time.

    Attributes:
        grants: ids of the grants that will show it; until now it was invisible to all.
    """

    table: str
    column: str
    is_new_table: bool
    tags: tuple[str, ...]
    grants: tuple[str, ...]


@dataclass(frozen=True)
class ScaffoldPlan:
    """What a scaffold would write.

    Attributes:
        columns: those that become describable, and so visible to who holds a grant.
        secrets: columns that were left in comments because they look like secrets.
        resampled: columns whose machine-made samples were made anew.
        notes: sentences on what could not be done.
    """

    changes: tuple[FileChange, ...]
    tables: tuple[str, ...]
    columns: tuple[Becoming, ...]
    secrets: tuple[str, ...] = ()
    resampled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class _Work:
    """What is gathered while a plan is made."""

    tables: list[str] = field(default_factory=list)
    columns: list[Becoming] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    resampled: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    # By base table: its logical name, and the columns (lower case) that are described.
    names: dict[Key, str] = field(default_factory=dict)
    described: dict[Key, set[str]] = field(default_factory=dict)
    fresh: set[Key] = field(default_factory=set)


async def scaffold(
    site: Site,
    warehouse: Warehouse,
    *,
    only: Sequence[str] = (),
    samples: SampleMode = "safe",
    per_table: bool = False,
    update_samples: bool = False,
    timeout_s: float = 30.0,
    progress: Progress | None = None,
    clock: Clock | None = None,
) -> ScaffoldPlan:
    """Look at a warehouse and plan what its semantic files lack; nothing is written.

    Args:
        site: the deployment.
        warehouse: open.
        only: patterns such as ``sales.*`` of the tables that are wanted; none means all.
        samples: how much of the data goes into the files, see ``Sampler``.
        per_table: a file for each new table, not for each schema.
        update_samples: make machine-made samples anew where no person has touched them.
        timeout_s: seconds for each table.
        progress: told of each table.
        clock: gives the date for comments.

    Raises:
        WarehouseFailed, TimedOut: the warehouse is down, or its catalog cannot be read.
    """
    found = await introspect(warehouse, only=only)
    missing = gaps(site, found, update_samples=update_samples)
    profiles = await look_into(
        warehouse, missing, samples=samples, timeout_s=timeout_s, progress=progress
    )
    today = (clock or SystemClock()).now().date().isoformat()
    return plan_scaffold(
        site, found, profiles, today=today, per_table=per_table, update_samples=update_samples
    )


def gaps(
    site: Site, found: Introspection, *, update_samples: bool = False
) -> tuple[TableInfo, ...]:
    """The tables that must be looked into, each with no more columns than that takes."""
    inventory = Inventory(site.described(found.warehouse))
    wanted: list[TableInfo] = []
    for table in found.tables:
        if inventory.is_commented(table.key):
            continue
        columns = [each for each in table.columns if not inventory.knows(table.key, each.name)]
        if update_samples:
            columns += [column for column, _, _ in _sampled(inventory, table)]
        if columns:
            wanted.append(replace(table, columns=tuple(columns)))
    return tuple(wanted)


def plan_scaffold(
    site: Site,
    found: Introspection,
    profiles: Mapping[Key, Profile],
    *,
    today: str,
    per_table: bool = False,
    update_samples: bool = False,
) -> ScaffoldPlan:
    """What to write so that the files describe every table and column of the warehouse.

    Args:
        site: the deployment.
        found: the warehouse as it is.
        profiles: what was seen in the tables of ``gaps``.
        today: the date for comments, such as 2026-11-22.
        per_table: a file for each new table, not for each schema.
        update_samples: make machine-made samples anew.
    """
    barred: dict[Path, str] = {}
    while True:
        planner = _Planner(site, found, profiles, today, per_table, barred)
        try:
            return planner.run(update_samples)
        except CannotEdit as error:
            # Without the file: its new tables find another place, its new columns become notes.
            if error.file is None or error.file in barred:
                raise
            barred[error.file] = str(error)


class _Planner:
    def __init__(
        self,
        site: Site,
        found: Introspection,
        profiles: Mapping[Key, Profile],
        today: str,
        per_table: bool,
        barred: Mapping[Path, str],
    ) -> None:
        self._site = site
        self._found = found
        self._profiles = profiles
        self._today = today
        self._per_table = per_table
        self._inventory = Inventory(site.described(found.warehouse))
        self._barred = barred
        self._files = Files(site, found.warehouse, found.dialect, today)
        self._work = _Work()
        self._large = _large_schemas(found)
        self._grants = [compile_grant(grant) for grant in site.settings.grants]

    def run(self, update_samples: bool) -> ScaffoldPlan:
        work = self._work
        work.notes += self._found.notes
        work.notes += [each.note for each in self._profiles.values() if each.note]
        for known in self._inventory.tables:
            work.names.setdefault(known.key, known.spec.name)
            work.described.setdefault(known.key, set()).update(known.columns)
        for table in self._found.tables:
            known_tables = self._inventory.at(table.key)
            if known_tables:
                self._extend(table, known_tables[0])
                if update_samples:
                    self._resample(table)
            elif self._inventory.is_commented(table.key):
                work.notes.append(f"{table.label}: left alone, it is commented out.")
            else:
                self._add(table)
        for table in self._found.tables:
            self._relate(table)
        return ScaffoldPlan(
            self._files.changes(),
            tuple(work.tables),
            tuple(work.columns),
            tuple(work.secrets),
            tuple(work.resampled),
            tuple(work.notes),
        )

    def _add(self, table: TableInfo) -> None:
        """A table that no file describes."""
        profile = self._profiles.get(table.key)
        if profile and not profile.readable:
            # Such as a view on a table that is gone; the profile's note says so.
            return
        name = self._name_for(table)
        draft = draft_table(
            table,
            name,
            profile,
            catalog=self._found.catalog,
            dialect=self._found.dialect,
        )
        shown = [each for each in draft.fields if each.sensitivity != "secret"]
        if not shown:
            self._work.notes.append(f"{table.label}: left out, all its columns look like secrets.")
            return
        home = None if self._per_table else self._inventory.home(table.schema)
        large = table.schema in self._large
        if home and (large or home.document.file in self._barred):
            home = None
        item = Item(table_lines(draft, self._today), _whole(draft))
        self._files.add_table(table, item, home, per_table=self._per_table or large)
        work = self._work
        work.tables.append(table.label)
        work.names[table.key] = name
        work.fresh.add(table.key)
        work.described[table.key] = {each.name.casefold() for each in shown}
        self._note_columns(table, draft.fields, frozenset(), new=True)

    def _extend(self, table: TableInfo, known: Described) -> None:
        """New columns of a table that a file describes."""
        new = [each for each in table.columns if not self._inventory.knows(table.key, each.name)]
        if not new:
            return
        drafts = [self._draft(table, column) for column in new]
        reason = self._barred.get(known.source.document.file)
        if reason:
            names = ", ".join(each.name for each in drafts)
            self._work.notes.append(
                f"{known.source.document.file}: add the new columns of {table.label} by hand "
                f"({names}): {reason}."
            )
            return
        taken = {each[2].spec.name.casefold() for each in known.fields}
        for section in SECTIONS:
            for draft in [each for each in drafts if each.section == section]:
                if draft.name.casefold() in taken:
                    self._work.notes.append(
                        f"{table.label}.{draft.name}: left out, a computed field has that name."
                    )
                    continue
                data = None if draft.sensitivity == "secret" else draft.data
                place = ("tables", known.index, section)
                self._files.append(known.source, place, Item(field_lines(draft), data))
        kept = [each for each in drafts if each.name.casefold() not in taken]
        self._work.fresh.add(table.key)
        self._work.described[table.key] |= {
            each.name.casefold() for each in kept if each.sensitivity != "secret"
        }
        self._note_columns(table, kept, frozenset(known.spec.saaf.tags), new=False)

    def _draft(self, table: TableInfo, column: ColumnInfo) -> FieldDraft:
        profile = self._profiles.get(table.key)
        samples = profile.columns.get(column.name) if profile else None
        return draft_field(table, column, samples, self._found.dialect)

    def _resample(self, table: TableInfo) -> None:
        for column, known, (section, index) in _sampled(self._inventory, table):
            if known.source.document.file in self._barred:
                continue
            draft = self._draft(table, column)
            edit = self._files.edit(known.source)
            place = ("tables", known.index, section, index)
            fits = "sample_values" in draft.data and edit.is_sampled(place)
            if fits and edit.resample(place, draft.data):
                self._work.resampled.append(f"{table.label}.{column.name}")

    def _note_columns(
        self, table: TableInfo, drafts: Iterable[FieldDraft], tags: frozenset[str], *, new: bool
    ) -> None:
        resource = f"wh://{self._found.warehouse}/{table.schema}.{table.name}"
        for draft in drafts:
            if draft.sensitivity == "secret":
                self._work.secrets.append(f"{table.label}.{draft.name}")
                continue
            own = tags | set(draft.data.get("saaf", {}).get("tags", ()))
            grants = tuple(
                grant.id
                for grant in self._grants
                if grant.covers(resource, "select")
                and (grant.allow is None or draft.name in grant.allow)
                and grant.deny_tags.isdisjoint(own)
            )
            item = Becoming(table.label, draft.name, new, tuple(sorted(own)), grants)
            self._work.columns.append(item)

    def _relate(self, table: TableInfo) -> None:
        """Foreign keys of which something is new in this plan; others are a person's decision."""
        work = self._work
        for key in table.foreign_keys:
            other = key.schema.casefold(), key.table.casefold()
            left, right = work.names.get(table.key), work.names.get(other)
            pairs = list(zip(key.columns, key.referred, strict=True))
            if not left or not right or not {table.key, other} & work.fresh:
                continue
            if self._inventory.relates(left, right, pairs):
                continue
            mine, theirs = work.described[table.key], work.described[other]
            if not all(one.casefold() in mine and two.casefold() in theirs for one, two in pairs):
                work.notes.append(
                    f"{table.label}: no relationship to {key.table}, its key is not described."
                )
                continue
            known = self._inventory.at(table.key)
            source = known[0].source if known else None
            if source and source.document.file in self._barred:
                continue
            taken = self._files.relationship_names(table, source)
            draft = draft_relationship(table, key, left, right, taken)
            self._files.relate(table, source, Item(relationship_lines(draft), draft.data))

    def _name_for(self, table: TableInfo) -> str:
        taken = self._inventory.names | {name.casefold() for name in self._work.names.values()}
        names = [table.name, f"{table.schema}_{table.name}"]
        names += [f"{table.schema}_{table.name}_{number}" for number in range(2, 1000)]
        return next(name for name in names if name.casefold() not in taken)


def _large_schemas(found: Introspection) -> set[str]:
    """Schemas that no file could hold: its size is bounded when it is loaded."""
    columns: Counter[str] = Counter()
    for table in found.tables:
        columns[table.schema] += len(table.columns)
    return {schema for schema, count in columns.items() if count > _COLUMNS_OF_A_FILE}


def _sampled(
    inventory: Inventory, table: TableInfo
) -> list[tuple[ColumnInfo, Described, tuple[str, int]]]:
    """Columns with sample values, with the field that holds them."""
    return [
        (column, known, (section, index))
        for known in inventory.at(table.key)
        for column in table.columns
        for section, index, entry in [known.columns.get(column.name.casefold(), ("", 0, None))]
        if entry is not None and entry.spec.sample_values and section in SECTIONS
    ]


def _whole(draft: TableDraft) -> dict[str, object]:
    """A table with its fields as the file's plain data."""
    data: dict[str, object] = dict(draft.data)
    for section in SECTIONS:
        items = [
            each.data
            for each in draft.fields
            if each.section == section and each.sensitivity != "secret"
        ]
        if items:
            data[section] = items
    return data
