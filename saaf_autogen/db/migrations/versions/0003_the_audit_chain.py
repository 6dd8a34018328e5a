"""One append-only, hash-chained audit log in place of two tables."""

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_REFUSAL = "the audit log is append-only"
_BATCH = 1_000


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit_entries",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("call_id", sa.String(length=64), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("action", sa.String(length=200), nullable=True),
        sa.Column("decision", sa.String(length=16), nullable=True),
        sa.Column("run_id", sa.String(length=64), nullable=True),
        sa.Column("resources", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "seq", name=op.f("pk_audit_entries")),
        sa.UniqueConstraint(
            "tenant", "call_id", "kind", name=op.f("uq_audit_entries_tenant_call_id_kind")
        ),
    )
    op.create_table(
        "audit_heads",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_audit_heads")),
    )
    _move()
    op.create_index("ix_audit_entries_tenant_at", "audit_entries", ["tenant", "at"])
    op.create_index(
        "ix_audit_entries_tenant_subject_seq", "audit_entries", ["tenant", "subject", "seq"]
    )
    op.create_index("ix_audit_entries_tenant_run_id", "audit_entries", ["tenant", "run_id"])
    op.drop_table("audit_records")
    op.drop_table("audit_outcomes")
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgresql()


def downgrade() -> None:
    """Refuse: a log that may only grow is not taken back."""
    raise NotImplementedError("the audit log is not taken back; restore a backup instead")


def _move() -> None:
    """What stands in the old tables, in the order of its times, as entries without a hash.

    The first chained entry names, as the one before it, SHA-256 over their texts: from then on
    they cannot be changed unseen either.
    """
    connection = op.get_bind()
    entries, heads = _table("audit_entries"), _table("audit_heads")
    state: dict[str, tuple[int, Any]] = {}
    found = connection.execute(_old_entries().execution_options(stream_results=True))
    for rows in found.mappings().partitions(_BATCH):
        batch = []
        for row in rows:
            seq, running = state.get(row["tenant"]) or (0, hashlib.sha256())
            entry = _entry(row)
            running.update(f"{entry['body']}\n".encode())
            state[row["tenant"]] = (seq + 1, running)
            batch.append({**entry, "seq": seq + 1})
        connection.execute(entries.insert(), batch)
    for tenant, (seq, running) in state.items():
        values = {"tenant": tenant, "seq": seq, "hash": running.hexdigest()}
        connection.execute(heads.insert(), [values])


def _old_entries() -> Any:
    """Decisions and outcomes as one result; a decision before the outcome of the same moment."""
    old = sa.MetaData()
    connection = op.get_bind()
    records = sa.Table("audit_records", old, autoload_with=connection)
    outcomes = sa.Table("audit_outcomes", old, autoload_with=connection)
    shared = ("id", "tenant", "call_id", "at")
    only_records = (
        "issuer", "subject", "actors", "client_id", "door", "action", "resources", "decision",
        "reason", "run_id",
    )  # fmt: skip
    only_outcomes = ("outcome", "duration_ms")
    of_records = sa.select(
        sa.literal("decision").label("kind"),
        *(records.c[name] for name in (*shared, *only_records)),
        *(sa.cast(sa.null(), outcomes.c[name].type).label(name) for name in only_outcomes),
    )
    of_outcomes = sa.select(
        sa.literal("outcome").label("kind"),
        *(outcomes.c[name] for name in shared),
        *(sa.cast(sa.null(), records.c[name].type).label(name) for name in only_records),
        *(outcomes.c[name] for name in only_outcomes),
    )
    both = sa.union_all(of_records, of_outcomes).subquery()
    return sa.select(both).order_by(both.c.tenant, both.c.at, both.c.kind, both.c.id)


def _entry(row: Any) -> dict[str, Any]:
    at = row["at"].isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
    body = {name: value for name, value in row.items() if value is not None and name != "id"}
    body["at"] = at
    if body.get("duration_ms") is not None:
        body["duration_us"] = round(body.pop("duration_ms") * 1000)
    text = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    columns = ("tenant", "kind", "at", "call_id", "issuer", "subject", "client_id", "action")
    entry = {name: row[name] for name in (*columns, "decision", "run_id")}
    names = row["resources"] or []
    return {
        **entry,
        "resources": "\n".join(("", *names, "")) if names else "",
        "body": text,
        "hash": None,
    }


def _table(name: str) -> sa.Table:
    return sa.Table(name, sa.MetaData(), autoload_with=op.get_bind())


def _guard_sqlite() -> None:
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_entries_no_{verb.lower()} BEFORE {verb} ON audit_entries "
            f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        )
    op.execute(
        "CREATE TRIGGER audit_heads_no_delete BEFORE DELETE ON audit_heads "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    )
    op.execute(
        "CREATE TRIGGER audit_heads_forward BEFORE UPDATE ON audit_heads "
        "WHEN NEW.seq <= OLD.seq OR NEW.tenant <> OLD.tenant "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    )


def _guard_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION saaf_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
    )
    for table, verbs in (
        ("audit_entries", "UPDATE OR DELETE OR TRUNCATE"),
        ("audit_heads", "DELETE OR TRUNCATE"),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE {verbs} ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION saaf_audit_refuse()"
        )
    op.execute(
        "CREATE TRIGGER audit_heads_forward BEFORE UPDATE ON audit_heads FOR EACH ROW "
        "WHEN (NEW.seq <= OLD.seq OR NEW.tenant <> OLD.tenant) "
        "EXECUTE FUNCTION saaf_audit_refuse()"
    )
