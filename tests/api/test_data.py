"""What callers see of the warehouse, over REST."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import httpx
import pytest

from tests.api.conftest import As

REFUSED = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "COPY flights TO '/tmp/x.csv'",
    "SELECT 1; SELECT 2",
    "TABLE flights",
    "SELECT * FROM query('SELECT * FROM flights')",
    "SELECT * FROM query_table('flights')",
    "SELECT COLUMNS('t.*') FROM flights",
    "SELECT * FROM information_schema.columns",
    "SELECT * FROM duckdb_tables()",
    "SELECT getenv('HOME')",
    "ATTACH '/tmp/x.duckdb'",
    "PRAGMA database_list",
    "INSERT INTO flights SELECT * FROM flights",
    "SET enable_external_access = true",
    "SELECT tailnum FROM flights",
    "SELECT f.TailNum FROM flights AS f",
    "SELECT * FROM planes",
    "SELECT count(*) FROM flights WHERE tailnum = 'N14228'",
    "SELECT 1 FROM flights ORDER BY tailnum",
]


def query(http: httpx.Client, headers: dict[str, str], sql: str) -> httpx.Response:
    return http.post("/v1/actions/warehouse.query", json={"sql": sql}, headers=headers)


@pytest.mark.parametrize("sql", REFUSED)
def test_what_is_not_granted_is_refused_with_a_reason(
    sql: str, http: httpx.Client, acting_as: As
) -> None:
    response = query(http, acting_as("ua-analyst"), sql)
    assert response.status_code == 422
    problem = response.json()
    assert problem["code"] == "sql_refused"
    assert problem["rule"]
    assert problem["remedy"]


def test_an_ungranted_column_and_one_that_never_was_are_refused_alike(
    http: httpx.Client, acting_as: As
) -> None:
    headers = acting_as("ua-analyst")
    hidden = query(http, headers, "SELECT tailnum FROM flights").text
    absent = query(http, headers, "SELECT tailnup FROM flights").text
    assert hidden.replace("tailnum", "X") == absent.replace("tailnup", "X")


def test_the_metadata_answer_sql_and_hold_what_is_granted(
    http: httpx.Client, acting_as: As
) -> None:
    def ask(client: str, sql: str) -> httpx.Response:
        path = "/v1/actions/semantic.query"
        return http.post(path, json={"sql": sql}, headers=acting_as(client))

    sql = "SELECT count(*) FROM semantic.fields WHERE column_name = 'tailnum'"
    assert ask("analyst", sql).json()["value"]["rows"] == [[2]]
    assert ask("ua-analyst", sql).json()["value"]["rows"] == [[0]]
    tables = "SELECT table_name FROM semantic.tables ORDER BY 1"
    value = ask("ua-analyst", tables).json()["value"]
    assert value["rows"] == [["airlines"], ["airports"], ["flights"], ["weather"]]
    assert (value["columns"], value["row_count"], value["cut"]) == (["table_name"], 4, None)
    refused = ask("reader", "SELECT * FROM sqlite_schema")
    assert (refused.status_code, refused.json()["code"]) == (422, "sql_refused")
    assert ask("writer", tables).status_code == 403


def test_rows_of_others_do_not_exist(http: httpx.Client, acting_as: As) -> None:
    headers = acting_as("ua-analyst")
    sql = "SELECT DISTINCT carrier FROM flights"
    assert query(http, headers, sql).json()["value"]["rows"] == [["UA"]]
    probe = "SELECT count(*) FROM flights WHERE carrier <> 'UA' OR carrier IS NULL"
    assert query(http, headers, probe).json()["value"]["rows"] == [[0]]


def everything(http: httpx.Client, headers: dict[str, str]) -> str:
    """All that the semantic layer tells this caller."""
    told: list[Any] = []
    tables = http.post("/v1/actions/semantic.list_tables", headers=headers).json()["value"]
    told.append(tables)
    for table in tables:
        body = {"table": table["name"]}
        told.append(
            http.post("/v1/actions/semantic.describe_table", json=body, headers=headers).json()
        )
    for question in (
        "Which aircraft flew most?",
        "All flights of N14228",
        "Planes by manufacturer",
    ):
        body = {"question": question}
        told.append(http.post("/v1/actions/semantic.context", json=body, headers=headers).json())
    return json.dumps(told)


def test_a_hidden_column_is_in_no_metadata_and_no_prompt(http: httpx.Client, acting_as: As) -> None:
    told = everything(http, acting_as("ua-analyst"))
    assert "flights" in told
    assert "tailnum" not in told
    assert "planes" not in told
    assert "tailnum" in everything(http, acting_as("analyst"))


def test_metadata_of_a_hidden_table_is_not_found(http: httpx.Client, acting_as: As) -> None:
    response = http.post(
        "/v1/actions/semantic.describe_table",
        json={"table": "planes"},
        headers=acting_as("ua-analyst"),
    )
    assert response.status_code == 404


def test_a_result_over_the_cap_says_where_it_was_cut(http: httpx.Client, acting_as: As) -> None:
    body = query(http, acting_as("analyst"), "SELECT * FROM flights").json()
    assert len(body["value"]["rows"]) == 200
    assert body["value"]["row_count"] == 200
    assert body["value"]["cut"] == body["cut"] == "cut at 200 rows; there are more"


def test_the_answer_is_what_duckdb_says(http: httpx.Client, acting_as: As, nyc_file: Any) -> None:
    sql = "SELECT origin, month, avg(dep_delay) FROM flights GROUP BY ALL ORDER BY ALL"
    rows = query(http, acting_as("analyst"), sql).json()["value"]["rows"]
    plain = duckdb.connect(str(nyc_file), read_only=True)
    assert [tuple(row) for row in rows] == plain.execute(sql).fetchall()
    plain.close()
