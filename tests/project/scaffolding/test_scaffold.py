from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Principal
from saaf_autogen.errors import ConfigurationError, Conflict, InvalidArguments, NotFound
from saaf_autogen.project.scaffolding.files import unified_diff, write
from saaf_autogen.project.scaffolding.site import read_site
from saaf_autogen.semantic import check_semantic, load_semantic
from saaf_autogen.testing import ManualClock
from tests.project.scaffolding.conftest import Shop, make_shop
from tests.sql.introspection import nasty

ORDERS = """\
# Ours.
name: shop
saaf: {version: 1, warehouse: shop}   # the only one

tables:
  -   name: orders        # as the business says
      base_table: {schema: main, table: orders}
      dimensions:
        - {name: id, expr: id, data_type: INTEGER, description: 'Number'}
        # - {name: customer, expr: customer, data_type: INTEGER}
        - name: "status"
          expr: status
          data_type: VARCHAR
          synonyms: &words [state,
            stage]
          # what it may be
          is_enum: true
          sample_values: [new]   # paid comes later


      saaf: {hints: ["paid is final"]}

# the end
"""


async def test_a_draft_says_what_the_warehouse_says_and_nothing_else(shop: Shop) -> None:
    clock = ManualClock(datetime(2026, 11, 22, tzinfo=UTC))
    await shop.scaffold(clock=clock)
    text = shop.main.read_text()
    first, _, body = text.partition("\n")
    assert first == "# yaml-language-server: $schema=../../.saaf/semantic.schema.json"
    assert json.loads((shop.folder / ".saaf" / "semantic.schema.json").read_text())["$defs"]
    assert re.sub("# sampled [0-9a-f]{8}", "# sampled DIGEST", body) == DRAFT


DRAFT = """\
# Drafted from the warehouse shop on 2026-11-22. Say here what its tables mean: descriptions,
# synonyms, metrics. `saaf semantic scaffold` adds what is new later and leaves your words alone.
name: shop_main
saaf: {version: 1, warehouse: shop, dialect: duckdb}

tables:
- name: customers
  # 60 rows on 2026-11-22
  description: Who buys
  base_table: {database: shop, schema: main, table: customers}
  primary_key: {columns: [id]}
  dimensions:
  - name: id
    expr: id
    data_type: INTEGER
    # description:
    unique: true
    sample_values: [1, 60]  # sampled DIGEST
  - name: country
    expr: country
    data_type: VARCHAR
    description: ISO code
    is_enum: true
    sample_values: [DE, FR, "NO"]  # sampled DIGEST
  - name: email
    expr: email
    data_type: VARCHAR
    # description:
    saaf: {tags: [personal]}
  # - {name: password, expr: password, data_type: VARCHAR}  # looks secret: uncomment to describe it
- name: orders
  # 200 rows on 2026-11-22
  # description:
  base_table: {database: shop, schema: main, table: orders}
  primary_key: {columns: [id]}
  dimensions:
  - name: id
    expr: id
    data_type: INTEGER
    # description:
    unique: true
    sample_values: [1, 200]  # sampled DIGEST
  - name: customer
    expr: customer
    data_type: INTEGER
    # description:
    sample_values: [1, 60]  # sampled DIGEST
  - name: status
    expr: status
    data_type: VARCHAR
    # description:
    is_enum: true
    sample_values: [new, paid]  # sampled DIGEST
  time_dimensions:
  - name: placed
    expr: placed
    data_type: TIMESTAMP
    # description:
    sample_values: ["2024-01-01 01:00:00", "2024-01-09 08:00:00"]  # sampled DIGEST
  facts:
  - name: total
    expr: total
    data_type: "DECIMAL(10,2)"
    # description:
    sample_values: [1.5, 300]  # sampled DIGEST

relationships:
- name: orders_customers
  left_table: orders
  right_table: customers
  relationship_columns: [{left_column: customer, right_column: id}]
  join_type: left_outer
  relationship_type: many_to_one
"""


async def test_a_second_run_changes_no_byte(shop: Shop) -> None:
    await shop.scaffold()
    before = shop.texts()
    for options in ({}, {"update_samples": True}, {"per_table": True}, {"samples": "all"}):
        plan = await shop.scaffold(**options)
        assert plan.changes == ()
    assert shop.texts() == before


async def test_new_columns_and_tables_go_beside_what_a_person_wrote(shop: Shop) -> None:
    file = shop.put("orders.yaml", ORDERS)
    plan = await shop.scaffold()
    text = file.read_text()
    patch = unified_diff(plan.changes, shop.folder).splitlines()
    assert [line for line in patch if line.startswith("-") and not line.startswith("---")] == []
    added = [line[1:] for line in patch if line.startswith("+") and not line.startswith("+++")]
    assert [line for line in text.splitlines() if line not in added] == [
        line for line in ORDERS.splitlines() if line not in added
    ]
    assert "        - {name: customer, expr" not in text, "what is commented out stays so"
    tables = load_semantic(shop.semantic).tables
    assert [table.spec.name for table in tables] == ["orders", "customers"]
    assert [field.spec.name for field in tables[0].fields] == ["id", "status", "placed", "total"]
    assert "relationships" not in text, "its column is commented out"
    assert any("no relationship to customers" in note for note in plan.notes)


async def test_the_style_of_the_file_is_kept(shop: Shop) -> None:
    file = shop.put("orders.yaml", ORDERS)
    await shop.scaffold()
    assert (
        "          sample_values: [new]   # paid comes later\n"
        "      time_dimensions:\n"
        "      - name: placed\n"
    ) in file.read_text()


async def test_line_ends_of_windows_are_kept(shop: Shop) -> None:
    file = shop.put("orders.yaml", ORDERS.replace("\n", "\r\n"))
    await shop.scaffold()
    text = file.read_bytes().decode()
    assert text.count("\n") == text.count("\r\n")
    assert "placed" in text


async def test_a_file_without_a_last_line_end_is_extended(shop: Shop) -> None:
    short = ORDERS.partition("\n\n\n")[0].replace("   # paid comes later", "")
    file = shop.put("orders.yaml", short)
    await shop.scaffold()
    assert file.read_text().startswith(short + "\n")
    assert check_semantic(shop.semantic) == []


async def test_json_is_extended_as_json(shop: Shop) -> None:
    model = {
        "name": "shop",
        "saaf": {"warehouse": "shop"},
        "tables": [
            {
                "name": "orders",
                "base_table": {"schema": "main", "table": "orders"},
                "dimensions": [{"name": "id", "expr": "id", "data_type": "INTEGER"}],
            }
        ],
    }
    file = shop.put("orders.json", json.dumps(model, indent=2))
    await shop.scaffold()
    after = json.loads(file.read_text())
    assert [table["name"] for table in after["tables"]] == ["orders", "customers"]
    assert [each["name"] for each in after["tables"][0]["facts"]] == ["total"]
    assert [each["name"] for each in after["relationships"]] == ["orders_customers"]
    assert "password" not in file.read_text()
    before = file.read_bytes()
    plan = await shop.scaffold()
    assert (plan.changes, file.read_bytes()) == ((), before)


async def test_a_file_that_offers_no_safe_place_is_left_to_a_person(shop: Shop) -> None:
    file = shop.put(
        "orders.yaml",
        """\
name: shop
saaf: {warehouse: shop}
tables:
- name: orders
  base_table: {schema: main, table: orders}
  dimensions: &both
  - {name: id, expr: id, data_type: INTEGER}
- name: again
  base_table: {schema: main, table: orders}
  dimensions: *both
""",
    )
    before = file.read_bytes()
    plan = await shop.scaffold()
    assert file.read_bytes() == before
    assert [change.file for change in plan.changes] == [shop.main]
    (note,) = [note for note in plan.notes if "by hand" in note]
    assert "customer, total, placed, status" in note


async def test_samples_are_made_anew_only_where_nobody_touched_them(shop: Shop) -> None:
    await shop.scaffold()
    text = shop.main.read_text().replace('[DE, FR, "NO"]', "[DE, FR]")
    shop.main.write_text(text)
    shop.execute("INSERT INTO customers SELECT i, 'SE', '', '' FROM range(100, 160) t(i)")
    shop.execute("INSERT INTO orders SELECT i, 1, 900, NULL, 'lost' FROM range(300, 400) t(i)")
    assert (await shop.scaffold()).changes == ()
    plan = await shop.scaffold(update_samples=True)
    assert set(plan.resampled) == {
        "main.customers.id",
        "main.orders.id",
        "main.orders.status",
        "main.orders.total",
    }
    after = shop.main.read_text()
    assert "sample_values: [DE, FR]  # sampled " in after, "a person's values stay"
    assert "sample_values: [lost, new, paid]  # sampled" in after
    assert (await shop.scaffold(update_samples=True)).changes == ()


async def test_an_enumeration_that_grew_too_large_is_none_any_more(shop: Shop) -> None:
    await shop.scaffold()
    shop.execute(
        "INSERT INTO orders SELECT i, 1, 1, NULL, 's' || i % 90 FROM range(300, 3000) t(i)"
    )
    await shop.scaffold(update_samples=True)
    (table,) = [t for t in load_semantic(shop.semantic).tables if t.spec.name == "orders"]
    status = table.field("status")
    assert status is not None
    assert not status.spec.is_enum
    assert len(status.spec.sample_values) == 5


async def test_what_becomes_visible_is_told_with_the_grants_that_show_it(shop: Shop) -> None:
    await shop.scaffold()
    shop.execute("ALTER TABLE customers ADD COLUMN phone VARCHAR")
    shop.execute("ALTER TABLE customers ADD COLUMN city VARCHAR")
    plan = await shop.scaffold(save=False)
    assert [(each.column, each.is_new_table, each.tags, each.grants) for each in plan.columns] == [
        ("phone", False, ("personal",), ("everyone",)),
        ("city", False, (), ("everyone", "careful")),
    ]


async def test_a_file_of_its_own_for_each_table_still_joins(shop: Shop) -> None:
    await shop.scaffold(per_table=True)
    assert sorted(shop.texts()) == ["shop/main/customers.yaml", "shop/main/orders.yaml"]
    (relationship,) = load_semantic(shop.semantic).relationships
    assert (relationship.left.spec.name, relationship.right.spec.name) == ("orders", "customers")


async def test_a_schema_that_no_file_could_hold_gets_a_file_for_each_table(shop: Shop) -> None:
    columns = ", ".join(f"c{number} INTEGER" for number in range(1_300))
    shop.execute(
        "CREATE SCHEMA wide; "
        + "; ".join(f"CREATE TABLE wide.t{number} ({columns})" for number in range(4))
    )
    plan = await shop.scaffold(save=False, samples="none")
    assert sorted(change.file.relative_to(shop.semantic).as_posix() for change in plan.changes) == [
        "shop/main.yaml",
        *(f"shop/wide/t{number}.yaml" for number in range(4)),
    ]


async def test_a_new_foreign_key_between_known_tables_is_left_to_a_person(shop: Shop) -> None:
    await shop.scaffold()
    without = shop.main.read_text().partition("\nrelationships:")[0]
    shop.main.write_text(without)
    assert (await shop.scaffold()).changes == ()


async def test_a_file_that_changed_meanwhile_is_not_overwritten(shop: Shop) -> None:
    file = shop.put("orders.yaml", ORDERS)
    plan = await shop.scaffold(save=False)
    file.write_text(ORDERS + "# mine\n")
    with pytest.raises(Conflict, match=r"orders\.yaml was changed"):
        write(read_site(shop.folder), plan.changes)
    assert file.read_text() == ORDERS + "# mine\n"
    assert [path.name for path in shop.semantic.rglob("*")] == ["orders.yaml"]


async def test_faulty_files_are_named_before_anything_is_done(shop: Shop) -> None:
    shop.put("bad.yaml", "name: x\nsaaf: {warehouse: shop}\ntabels: []\n")
    with pytest.raises(ConfigurationError) as caught:
        await shop.scaffold()
    assert caught.value.findings[0].line == 3


def test_the_warehouse_is_the_only_one_or_must_be_named(shop: Shop) -> None:
    assert read_site(shop.folder).choose(None) == "shop"
    with pytest.raises(NotFound, match="declares no warehouse 'other'"):
        read_site(shop.folder).choose("other")
    settings = shop.folder / "saaf.yaml"
    two = settings.read_text().replace("grants:", "  b: {engine: duckdb, path: b}\ngrants:")
    settings.write_text(two)
    with pytest.raises(InvalidArguments, match="Which warehouse"):
        read_site(shop.folder).choose(None)


@pytest.fixture
def odd(tmp_path: Path) -> Shop:
    return make_shop(tmp_path, nasty.DUCKDB)


async def test_every_name_that_a_warehouse_can_hold_is_drafted_without_a_fault(odd: Shop) -> None:
    plan = await odd.scaffold()
    assert check_semantic(odd.semantic) == []
    assert sorted(odd.texts()) == ["shop/main.yaml", "shop/odd_schema.yaml", "shop/sales.yaml"]
    names = {table.spec.name for table in load_semantic(odd.semantic).tables}
    assert {"customers", "sales_customers", "order", "My Table", "recent"} <= names
    assert not {"broken", "vault", "hidden"} & names
    assert len([note for note in plan.notes if note.startswith(("main.broken", "main.vault"))]) == 2
    assert (await odd.scaffold()).changes == ()


async def test_what_was_drafted_answers_queries_under_grants(odd: Shop) -> None:
    await odd.scaffold()
    site = read_site(odd.folder)
    policy = Policy(site.settings.grants, [], {})
    analyst = Principal(issuer="x", subject="ann", kind="user", groups=frozenset({"nobody"}))
    catalog = load_semantic(odd.semantic)
    visible = {
        resource.removeprefix("wh://shop/"): access
        for resource, facts in catalog.facts.items()
        if (access := policy.table_access(analyst, facts)) is not None
    }
    async with odd.opened() as guarded:
        for table in catalog.tables:
            base = table.spec.base_table
            columns = ", ".join(field.spec.expr for field in table.fields)
            result = await guarded.query(
                f'SELECT {columns} FROM "{base.schema_name}"."{base.table}"', visible=visible
            )
            assert len(result.columns) == len(table.fields)
        assert "password_hash" not in visible["main.customers"].columns


async def test_postgresql_is_drafted_and_answers(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute(nasty.POSTGRES)
    monkeypatch.setenv("WAREHOUSE_URL", postgres_url)
    (tmp_path / "saaf.yaml").write_text(
        "warehouses:\n  pg: {engine: postgresql, url_env: WAREHOUSE_URL}\n"
        "grants:\n- {id: all, to: '*', resource: 'wh://pg/*'}\n"
    )
    shop = Shop(tmp_path)
    assert (await shop.scaffold()).tables
    assert (await shop.scaffold(update_samples=True)).changes == ()
    site = read_site(tmp_path)
    policy = Policy(site.settings.grants, [], {})
    reader = Principal(issuer="x", subject="ann", kind="user")
    catalog = load_semantic(shop.semantic, {"pg": "postgres"})
    assert {each.spec.name for each in catalog.relationships} == {
        "lines_customers",
        "shipments_lines",
    }
    visible = {
        resource.removeprefix("wh://pg/"): access
        for resource, facts in catalog.facts.items()
        if (access := policy.table_access(reader, facts)) is not None
    }
    async with shop.opened() as guarded:
        rows = await guarded.query(
            "SELECT c.country, sum(l.price) FROM sales.lines l "
            "JOIN sales.customers c ON c.id = l.customer GROUP BY 1 ORDER BY 1",
            visible=visible,
        )
        assert [row[0] for row in rows.rows] == ["DE", "FR", "NO"]
    assert await shop.drift() == []
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE sales.lines ALTER COLUMN price TYPE text")
        connection.execute("ALTER TYPE mood ADD VALUE 'new'")
    assert [(each.kind, each.breaks, each.column) for each in await shop.drift()] == [
        ("values", False, "feeling"),
        ("type", True, "price"),
    ]
