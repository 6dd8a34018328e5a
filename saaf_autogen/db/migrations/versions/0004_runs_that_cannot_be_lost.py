"""Durable to the single call: journals, turns, workers, questions to humans, schedules, usage."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    _create()
    op.add_column("action_effects", sa.Column("holder", sa.String(length=160), nullable=True))
    op.create_index("ix_action_effects_started_at", "action_effects", ["started_at"])
    _widen_runs()


def downgrade() -> None:
    """Refuse: what open runs have done so far would be forgotten, and done again."""
    raise NotImplementedError("open runs are not taken back; restore a backup instead")


def _widen_runs() -> None:
    """Column by column: SQLite would empty the tables that refer to a table made anew."""
    op.execute("ALTER TABLE runs RENAME COLUMN attempts TO epoch")
    for column in (
        sa.Column("limits", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("active_s", sa.Float(), nullable=False, server_default="0"),
        sa.Column("priority", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("release", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("schedule_id", sa.String(length=64), nullable=True),
        sa.Column("worker", sa.String(length=64), nullable=True),
        sa.Column("crashes", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("turn", sa.Integer(), nullable=False, server_default="0"),
    ):
        op.add_column("runs", column)
    op.create_index("ix_runs_worker", "runs", ["worker"])
    scheduled = sa.text("schedule_id IS NOT NULL")
    op.create_index(
        "ix_runs_schedule_id_id",
        "runs",
        ["schedule_id", "id"],
        sqlite_where=scheduled,
        postgresql_where=scheduled,
    )


def _create() -> None:
    op.create_table(
        "run_usage",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(length=300), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("owner", sa.String(length=1024), nullable=False),
        sa.Column("agent_id", sa.String(length=63), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.Column("completion_tokens", sa.BigInteger(), nullable=False),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("nano_usd", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "path", "model", name=op.f("pk_run_usage")),
    )
    with op.batch_alter_table("run_usage", schema=None) as batch_op:
        batch_op.create_index("ix_run_usage_owner_at", ["owner", "at"], unique=False)
        batch_op.create_index("ix_run_usage_tenant_at", ["tenant", "at"], unique=False)

    op.create_table(
        "schedules",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("owner", sa.String(length=1024), nullable=False),
        sa.Column("principal", sa.JSON(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("cron", sa.String(length=200), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("overlap", sa.String(length=16), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_run_id", sa.String(length=64), nullable=True),
        sa.Column("last_error", sa.String(length=400), nullable=True),
        sa.Column("refusals", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    with op.batch_alter_table("schedules", schema=None) as batch_op:
        batch_op.create_index("ix_schedules_enabled_next_at", ["enabled", "next_at"], unique=False)
        batch_op.create_index("ix_schedules_owner_id", ["owner", "id"], unique=False)

    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("release", sa.String(length=64), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    with op.batch_alter_table("workers", schema=None) as batch_op:
        batch_op.create_index(
            "ix_workers_state_leased_until", ["state", "leased_until"], unique=False
        )

    op.create_table(
        "input_requests",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("place", sa.String(length=512), nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("answer", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("answered_by", sa.String(length=1024), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_input_requests_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_input_requests")),
    )
    with op.batch_alter_table("input_requests", schema=None) as batch_op:
        batch_op.create_index("ix_input_requests_run_id", ["run_id"], unique=False)
        batch_op.create_index(
            "ix_input_requests_state_expires_at", ["state", "expires_at"], unique=False
        )

    op.create_table(
        "run_journal",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("place", sa.String(length=512), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_run_journal_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "place", name=op.f("pk_run_journal")),
    )
    op.create_table(
        "run_turns",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("turn", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("change", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_run_turns_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "turn", name=op.f("pk_run_turns")),
    )
