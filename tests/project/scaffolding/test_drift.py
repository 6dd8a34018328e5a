from __future__ import annotations

from tests.project.scaffolding.conftest import Shop

EXTRA = """\
  filters:
  - {name: paid, expr: status = 'paid'}
  metrics:
  - {name: revenue, expr: SUM(total)}
"""
QUERIES = """
verified_queries:
- name: revenue_by_status
  question: What did we earn by status?
  sql: SELECT status, SUM(total) FROM orders GROUP BY 1
"""


async def with_promises(shop: Shop) -> None:
    """The draft, with a filter, a metric and a query on orders."""
    await shop.scaffold()
    text = shop.main.read_text()
    shop.main.write_text(text.replace("\nrelationships:", EXTRA + "\nrelationships:") + QUERIES)


async def told(shop: Shop, **options: bool) -> list[tuple[str, bool, str, str | None]]:
    return [
        (each.kind, each.breaks, each.table, each.column) for each in await shop.drift(**options)
    ]


async def test_a_fresh_draft_agrees_with_its_warehouse(shop: Shop) -> None:
    await with_promises(shop)
    assert await told(shop) == []


async def test_a_vanished_column_breaks_all_that_uses_it(shop: Shop) -> None:
    await with_promises(shop)
    shop.execute("ALTER TABLE orders RENAME COLUMN total TO amount")
    found = await shop.drift()
    lines = shop.main.read_text().splitlines()
    assert [(each.kind, each.breaks, lines[each.finding.line - 1].strip()) for each in found] == [
        ("column_new", False, "- name: orders"),
        ("column_missing", True, "- name: total"),
        ("expression", True, "- {name: revenue, expr: SUM(total)}"),
        ("query", True, "sql: SELECT status, SUM(total) FROM orders GROUP BY 1"),
    ]
    assert "new there: amount" in found[1].finding.remedy


async def test_a_vanished_table_breaks_and_a_new_one_does_not(shop: Shop) -> None:
    await with_promises(shop)
    shop.execute("DROP TABLE orders")
    shop.execute("CREATE TABLE parcels (id INTEGER)")
    assert await told(shop) == [
        ("table_new", False, "main.parcels", None),
        ("table_missing", True, "main.orders", None),
        ("query", True, "orders", None),
    ]


async def test_another_family_of_types_breaks_and_a_wider_type_differs(shop: Shop) -> None:
    await with_promises(shop)
    shop.execute("CREATE TABLE copy AS SELECT id::BIGINT AS id, * EXCLUDE (id) FROM orders")
    shop.execute("ALTER TABLE copy ALTER total TYPE VARCHAR")
    shop.execute("DROP TABLE orders; ALTER TABLE copy RENAME TO orders")
    assert await told(shop) == [
        ("type", False, "main.orders", "id"),
        ("type", True, "main.orders", "total"),
    ]


async def test_a_vanished_key_breaks_its_relationship(shop: Shop) -> None:
    await with_promises(shop)
    shop.execute("DROP TABLE orders")
    shop.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER, placed DATE, status TEXT)"
    )
    found = await told(shop)
    assert ("relationship", True, "main.orders", "customer") in found
    assert ("column_missing", True, "main.orders", "customer") in found
    assert ("type", False, "main.orders", "total") in found


async def test_keys_that_the_file_does_not_know_differ(shop: Shop) -> None:
    await shop.scaffold()
    text = shop.main.read_text().partition("\nrelationships:")[0]
    shop.main.write_text(text.replace("  primary_key: {columns: [id]}\n", "", 1))
    found = await shop.drift()
    assert [(each.kind, each.breaks) for each in found] == [("key", False), ("key", False)]
    assert "the primary key of main.customers is (id)" in found[0].finding.message
    assert "add a relationship from orders to customers" in found[1].finding.remedy


async def test_values_beyond_an_enumeration_differ(shop: Shop) -> None:
    await shop.scaffold()
    shop.execute("INSERT INTO orders VALUES (999, 1, 1, NULL, 'lost')")
    (only,) = await shop.drift()
    assert (only.kind, only.breaks, only.column) == ("values", False, "status")
    assert "1 value beyond its sample_values ('lost')" in only.finding.message
    assert await told(shop, values=False) == []


async def test_values_of_tagged_columns_are_not_told(shop: Shop) -> None:
    await shop.scaffold()
    text = shop.main.read_text()
    shop.main.write_text(
        text.replace("  - name: status\n", "  - name: status\n    saaf: {tags: [confidential]}\n")
    )
    shop.execute("INSERT INTO orders VALUES (999, 1, 1, NULL, 'lost')")
    (only,) = await shop.drift()
    assert "lost" not in str(only.finding)


async def test_what_stands_in_a_comment_is_no_drift(shop: Shop) -> None:
    await shop.scaffold()
    assert "# - {name: password" in shop.main.read_text()
    shop.put(
        "more.yaml", "name: more\nsaaf: {warehouse: shop}\n# base_table: {schema: main, table: t}\n"
    )
    shop.execute("CREATE TABLE t (x INTEGER)")
    assert await told(shop) == []


async def test_with_patterns_only_those_tables_are_compared(shop: Shop) -> None:
    await shop.scaffold()
    shop.execute("DROP TABLE orders")
    shop.execute("ALTER TABLE customers ADD COLUMN city VARCHAR")
    found = await shop.drift(only=["main.customers"])
    assert [(each.kind, each.column) for each in found] == [("column_new", "city")]
