"""No route shows or changes anything of another tenant; a new table or route fails until known."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from saaf_autogen.db import Base
from tests.conftest import ROOT
from tests.site import Site, serving_site
from tests.tenants.planting import FORMS, MARK, MINE, THEIRS, Planted, plant, rows_of, settings_of
from tests.tenants.probes import PUBLIC, SEPARATE, Ask, asks_of, routes_of

GHOSTS = {
    "user_id": "usr_" + "c" * 24,
    "run_id": "run_" + "c" * 32,
    "schedule_id": "sch_" + "c" * 32,
    "question_id": "inp_" + "c" * 32,
    "group_id": "ghost-group",
    "client_id": "ghost-client",
    "rule_id": "ghost-grant",
    "session_id": "ses_" + "c" * 24,
    "connection_id": "fam_ghostghostghostghost",
    "jti": "ghost-jti",
}
"""Ids of nothing at all: what is another tenant's must look the same."""

APPS: list[FastAPI] = []
FILES = {"/static-offline-docs", "/pages/{version}/{name}"}
"""Files of the package."""

MAKING = {f"POST /v1/admin/{name}" for name in ("users", "groups", "clients", "grants", "deny")}

TAKEN = {"POST /v1/admin/clients"}
"""Client ids are one space for all tenants: a taken one is said to be taken."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, nyc_file: Path) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("tenants") / "site"
    shutil.copytree(ROOT / "semantic", folder / "semantic")
    warehouse = {"engine": "duckdb", "path": str(nyc_file)}
    settings = {**settings_of("wh://nyc/main.*"), "warehouses": {"nyc": warehouse}}
    with serving_site(folder, settings, extend=APPS.append) as running:
        yield running


@pytest.fixture(scope="module")
def planted(site: Site) -> Planted:
    return plant(site)


@pytest.fixture(scope="module")
def app(site: Site) -> FastAPI:
    assert site.http.get("/livez").status_code == 200
    return APPS[-1]


def filled(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, str):
        for name, known in ids.items():
            value = value.replace("{" + name + "}", known)
        return value
    if isinstance(value, dict):
        return {name: filled(item, ids) for name, item in value.items()}
    return [filled(item, ids) for item in value] if isinstance(value, list) else value


def send(site: Site, ask: Ask, ids: dict[str, str], token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", "If-Match": "*"}
    return site.http.request(
        ask.method,
        filled(ask.path, ids),
        params=filled(ask.query, ids),
        json=filled(ask.body, ids) if ask.body is not None else None,
        headers=headers,
    )


def text_of(response: httpx.Response, ask: Ask, ids: dict[str, str]) -> str:
    """All that came back, without what was sent."""
    text = f"{response.status_code} {sorted(response.headers.items())} {response.text}"
    for known in sorted(ids.values(), key=len, reverse=True):
        text = text.replace(known, "ID")
    for asked in leaves(filled(ask.body, ids)):
        text = text.replace(asked, "ASKED") if len(asked) > 8 else text
    return text


def leaves(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [leaf for item in inner for leaf in leaves(item)]
    return [value] if isinstance(value, str) else []


def test_every_table_has_a_tenant_and_is_known_to_the_walk() -> None:
    tables = {table.name: table for table in Base.metadata.sorted_tables}
    assert set(tables) == set(FORMS)
    for name, table in tables.items():
        assert "tenant" in table.c, name
        assert not table.c.tenant.nullable, name


def test_every_route_is_known_to_the_walk(app: FastAPI) -> None:
    for path, route in routes_of(app):
        if path not in PUBLIC | SEPARATE:
            assert path.startswith("/v1/"), f"the walk knows nothing of {path}"
            assert list(asks_of(path, route, GHOSTS))
    known = {path for path, _ in routes_of(app)}
    assert known >= SEPARATE, "the walk asks for routes that are gone"


@pytest.mark.parametrize("client", ["mine", "root"])
def test_nothing_of_another_tenant_is_shown_or_changed_by_any_route(
    site: Site, app: FastAPI, planted: Planted, client: str
) -> None:
    before = rows_of(site, THEIRS)
    assert all(before.values())
    token, asked = site.token(client), 0
    asks = [
        (path, ask)
        for path, route in routes_of(app)
        if path not in SEPARATE | FILES
        for ask in asks_of(path, route, planted.ids)
    ]
    # What is made under the other's ids comes last, or the rest would be asked of that.
    for last in (False, True):
        for path, ask in asks:
            if (ask.route in MAKING) != last:
                continue
            asked += 1
            theirs = send(site, ask, planted.ids, token)
            text = text_of(theirs, ask, planted.ids)
            place = f"{ask.method} {ask.path} {ask.query} {ask.body}: {text[:2_000]}"
            assert MARK not in text, place
            assert THEIRS not in text, place
            assert theirs.status_code < 500, place
            if not path.startswith("/v1/") or ask.route in TAKEN:
                continue
            ghost = send(site, ask, GHOSTS, token)
            assert ghost.status_code == theirs.status_code, place
            if theirs.status_code >= 400:
                mine, other = theirs.json(), ghost.json()
                for name in ("detail", "remedy", "code", "title"):
                    one = filled_out(str(mine.get(name)), planted.ids)
                    assert one == filled_out(str(other.get(name)), GHOSTS), place
    assert asked > 100
    assert rows_of(site, THEIRS) == before


def filled_out(text: str, ids: dict[str, str]) -> str:
    for known in sorted(ids.values(), key=len, reverse=True):
        text = text.replace(known, "ID")
    return text


def test_the_walk_itself_finds_what_is_shown(site: Site, planted: Planted) -> None:
    """The other tenant's own admin sees the marks by the same requests."""
    token = site.token("theirs")
    for path in ("users", "groups", "clients", "grants", "connections", "sessions", "audit"):
        ask = Ask("", "GET", f"/v1/admin/{path}")
        assert MARK in text_of(send(site, ask, {}, token), ask, {}), path
    for path in ("users/{user_id}", "clients/{client_id}", "connections/{connection_id}"):
        ask = Ask("", "GET", f"/v1/admin/{path}")
        assert send(site, ask, planted.ids, token).status_code == 200, path
    assert MINE != THEIRS
