"""What is remembered between calls never crosses tenants; each memory is listed with its key."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from saaf_autogen.auth.principal import Principal
from saaf_autogen.limits import RateLimiter
from saaf_autogen.testing import ManualClock
from tests.conftest import ROOT
from tests.site import Site, serving_site

PACKAGE = ROOT / "saaf_autogen"
MEMORIES = {"OrderedDict", "WeakKeyDictionary", "WeakValueDictionary", "LRUCache", "TTLCache"}
NAMES = {"_known", "_cache", "_kept", "_last", "_remembered"}
"""What plain dicts that remember are called."""

KEYS = {
    "actions/context.py _kept": "the whole principal, tenant included, and the policy's edition",
    "teams/economies.py _handlers": "a class of AutoGen's; its handlers hold nothing of a caller",
    "actions/context.py _last": "the very principal, and the policy's edition",
    "api/addresses.py _parsed": "the text of an address",
    "api/pages/guesses.py _wrong": "a user's id or an address; counts alone",
    "auth/clients.py _known": "the client's id, which is one of all tenants",
    "auth/details.py _compiled": "the text of a token's own details; no stored rule is in it",
    "auth/dpop.py _keys": "the thumbprint of a key; ids of its proofs alone",
    "auth/revisions.py _known": "tenant and topic; numbers alone",
    "auth/scopes.py _expanded": "names of scopes",
    "auth/server/client_documents.py _known": "the address of a public document",
    "auth/server/client_keys.py _remote": "the address of a client's public keys",
    "auth/standing.py _known": "issuer, tenant, subject, client, and who acts",
    "auth/tokens/introspection.py _inactive": "SHA-256 of the token",
    "auth/tokens/verifier.py _cache": "SHA-256 of the token",
    "embeddings/endpoint.py _clients": "the event loop",
    "limits.py _counts": "issuer, tenant, subject and client; counts alone",
    "project/scaffolding/text.py _text": "text of files",
    "runs/schedules/store.py _previewed": "a cron expression, a zone and a time",
    "semantic/context.py _indexes": "SHA-256 of all that the view shows",
    "semantic/context.py _turns": "the event loop",
    "semantic/metadata_cache.py _kept": "SHA-256 of all that the view shows",
    "semantic/sql.py read_expression": "SQL of the deployment's files",
    "semantic/words.py content_stems": "words",
    "semantic/words.py stem": "words",
    "semantic/words.py stems": "words",
    "sql/guard/cache.py _plans": "the query; a plan is taken only if what is visible is the same",
    "sql/guard/definitions.py _parsed": "SQL of the deployment's files",
    "sql/guard/effort.py _generator": "the dialect",
    "sql/guard/effort.py _parser": "the dialect",
    "sql/guard/names.py _known": "values of one query, while it is planned",
    "sql/guard/shapes.py _shapes": "classes of the parser",
    "teams/models.py _connected": "the event loop; clients of the deployment's models",
}
"""Everything that forgets what was used least, or is kept for functions, and what names it."""


def memories() -> Iterator[str]:
    for file in sorted(PACKAGE.rglob("*.py")):
        place = file.relative_to(PACKAGE)
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names = {ast.unparse(each).partition("(")[0] for each in node.decorator_list}
                if names & {"lru_cache", "cache", "functools.lru_cache", "functools.cache"}:
                    yield f"{place} {node.name}"
            value = getattr(node, "value", None)
            if not isinstance(node, ast.Assign | ast.AnnAssign):
                continue
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            name = ast.unparse(target).removeprefix("self.")
            made = ast.unparse(value.func) if isinstance(value, ast.Call) else ""
            grows = isinstance(value, ast.Dict) and not value.keys and name in NAMES
            if made.rpartition(".")[2] in MEMORIES or grows:
                yield f"{place} {name}"


def test_every_memory_is_listed_with_what_names_its_entries() -> None:
    assert set(memories()) == set(KEYS)


PACK = '''
"""A pack that tells whose call it is."""

from saaf_autogen import ActionContext, action

SCOPES = {"tools.marks:set": "Set marks."}


@action(scopes=["tools.marks:set"], effect="write")
def set_mark(text: str, ctx: ActionContext) -> str:
    """Set a mark and tell for which tenant."""
    return f"{ctx.principal.tenant}: {text}"
'''
SCOPES = ["warehouse:query", "semantic:read", "tools.marks:set"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, nyc_file: Path) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("caches") / "site"
    shutil.copytree(ROOT / "semantic", folder / "semantic")
    (folder / "tools").mkdir()
    (folder / "tools" / "marks.py").write_text(PACK)

    def grant(tenant: str, carrier: str, table: str) -> list[dict[str, Any]]:
        rows = {"carrier": {"eq": carrier}}
        to: dict[str, Any] = {"tenant": tenant, "to": {"groups": ["analysts"]}}
        return [
            {"id": f"{tenant}-rows", **to, "resource": "wh://nyc/main.flights", "rows": rows},
            {"id": f"{tenant}-all", **to, "resource": f"wh://nyc/main.{table}"},
        ]

    settings = {
        "tenants": ["default", "acme", "bravo"],
        "warehouses": {"nyc": {"engine": "duckdb", "path": str(nyc_file)}},
        "clients": [
            {"id": f"{tenant}-app", "tenant": tenant, "scopes": SCOPES, "groups": ["analysts"]}
            for tenant in ("acme", "bravo")
        ],
        "grants": [*grant("acme", "UA", "airlines"), *grant("bravo", "AA", "airports")],
    }
    with serving_site(folder, settings) as running:
        yield running


def call(site: Site, tenant: str, action: str, body: dict[str, Any], **headers: str) -> Any:
    token = site.token(f"{tenant}-app")
    response = site.http.post(
        f"/v1/actions/{action}",
        json=body,
        headers={"Authorization": f"Bearer {token}", **headers},
    )
    assert response.status_code == 200, response.text
    return response.json()


def get(site: Site, tenant: str, path: str, **headers: str) -> httpx.Response:
    authorization = {"Authorization": f"Bearer {site.token(f'{tenant}-app')}"}
    return site.http.get(path, headers={**authorization, **headers})


def test_the_same_query_shows_each_tenant_its_own_rows_time_and_again(site: Site) -> None:
    sql = {"sql": "SELECT DISTINCT carrier FROM flights"}
    for _ in range(3):
        for tenant, carrier in (("acme", "UA"), ("bravo", "AA")):
            assert call(site, tenant, "warehouse.query", sql)["value"]["rows"] == [[carrier]]


def test_the_same_question_is_answered_by_what_each_tenant_sees(site: Site) -> None:
    path = "/v1/semantic/context?question=Which+airlines+and+airports+are+there%3F"
    for _ in range(2):
        mine, theirs = get(site, "acme", path).text, get(site, "bravo", path).text
        assert "airlines" in mine
        assert "airports" in theirs
        assert mine != theirs


def test_the_etag_of_one_tenant_is_none_of_another(site: Site) -> None:
    path = "/v1/semantic/tables"
    mine = get(site, "acme", path)
    again = {"If-None-Match": mine.headers["ETag"]}
    assert get(site, "acme", path, **again).status_code == 304
    theirs = get(site, "bravo", path, **again)
    assert theirs.status_code == 200
    assert {each["name"] for each in mine.json()["data"]} == {"flights", "airlines"}
    assert {each["name"] for each in theirs.json()["data"]} == {"flights", "airports"}


def test_the_same_idempotency_key_is_another_one_in_another_tenant(site: Site) -> None:
    key = {"Idempotency-Key": "the-same"}
    for _ in range(2):
        for tenant in ("acme", "bravo"):
            made = call(site, tenant, "marks.set_mark", {"text": "x"}, **key)
            assert made["value"] == f"{tenant}: x"


def test_a_client_of_one_tenant_is_not_known_in_another(site: Site) -> None:
    standing = site.identity.standing
    principals = [
        Principal(issuer=site.url, tenant=tenant, subject="client:acme-app", client_id="acme-app")
        for tenant in ("acme", "bravo")
    ]
    mine = site.on_loop(standing.now(principals[0]))
    assert mine.groups == {"analysts"}
    with pytest.raises(Exception, match="no longer active"):
        site.on_loop(standing.now(principals[1]))
    assert site.on_loop(standing.now(principals[0])).groups == {"analysts"}


def test_calls_of_one_tenant_are_not_counted_for_another() -> None:
    limiter = RateLimiter("calls", 2, ManualClock())
    keys = [
        Principal(issuer="https://idp.example.com", tenant=tenant, subject="ann").key
        for tenant in ("acme", "bravo")
    ]
    assert len(set(keys)) == 2
    for _ in range(2):
        for key in keys:
            limiter.take(key, "app")


def test_principals_of_a_tenant_that_there_is_not_are_refused(site: Site) -> None:
    for issuer in (site.url, "local"):
        gone = Principal(issuer=issuer, tenant="closed", subject="client:acme-app")
        with pytest.raises(Exception, match="no tenant closed"):
            site.on_loop(site.identity.standing.now(gone))
