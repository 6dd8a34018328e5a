"""Metering and workers over REST, on a host whose runs really ran."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from saaf_autogen.auth.principal import Principal
from saaf_autogen.client import Client
from saaf_autogen.runs.tables import WorkerRow
from tests.runs.rows import add_run, add_usage
from tests.site import Site, serving_site

SETTINGS: dict[str, Any] = {
    "tenants": ["default", "acme"],
    "clients": [
        {"id": "ann", "scopes": ["runs:read"]},
        {"id": "bob", "scopes": ["runs:read"]},
        {"id": "none", "scopes": ["runs:cancel"]},
        {"id": "admin", "scopes": ["iam:admin"]},
        {"id": "acme-admin", "tenant": "acme", "scopes": ["iam:admin", "runs:read"]},
    ],
    "runs": {"concurrency": 3, "release": "7"},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving_site(tmp_path_factory.mktemp("usage") / "site", SETTINGS) as running:
        now = running.clock.now()
        ann, bob = (f"default|{running.url}|client:{name}" for name in ("ann", "bob"))
        with running.project.database.transaction() as session:
            add_usage(session, now, owner=ann, agent_id="flights", calls=2)
            add_usage(session, now - timedelta(days=2), owner=ann, agent_id="docs")
            add_usage(session, now, owner=bob, agent_id="flights", model="large", nano_usd=None)
            add_usage(session, now, tenant="acme", agent_id="secret", calls=1_000)
            add_run(session, status="input_required", release="7")
            add_run(session, status="input_required", release="7", tenant="acme")
        yield running


def ask(site: Site, path: str, by: str, **headers: str) -> httpx.Response:
    return site.http.get(path, headers={"Authorization": f"Bearer {site.token(by)}", **headers})


def body(site: Site, path: str, by: str) -> dict[str, Any]:
    response = ask(site, path, by)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def calls(document: dict[str, Any]) -> dict[str, int]:
    return {line["key"]: line["model_calls"] for line in document["data"]}


def test_callers_see_what_their_own_runs_used(site: Site) -> None:
    own = body(site, "/v1/usage", "ann")
    assert calls(own) == {"docs": 1, "flights": 2}
    assert (own["group_by"], own["total"]["model_calls"], own["next_cursor"]) == ("agent", 3, None)
    assert calls(body(site, "/v1/usage?group_by=model", "bob")) == {"large": 1}
    assert calls(body(site, "/v1/usage", "acme-admin")) == {}


def test_a_period_is_of_days_or_of_times(site: Site) -> None:
    today = site.clock.now().date()
    assert calls(body(site, f"/v1/usage?from={today}", "ann")) == {"flights": 2}
    assert calls(body(site, f"/v1/usage?to={today}", "ann")) == {"docs": 1}
    at = (site.clock.now() - timedelta(days=2)).isoformat().replace("+00:00", "Z")
    assert calls(body(site, f"/v1/usage?from={at}&to={today}", "ann")) == {"docs": 1}
    by_day = body(site, "/v1/usage?group_by=day", "ann")
    assert calls(by_day) == {str(today - timedelta(days=2)): 1, str(today): 2}


def test_admins_see_their_whole_tenant_and_no_other(site: Site) -> None:
    by_principal = body(site, "/v1/admin/usage?group_by=principal", "admin")
    people = {f"{site.url}|client:ann": 3, f"{site.url}|client:bob": 1}
    assert calls(by_principal) == people
    assert by_principal["total"]["unpriced_calls"] == 1
    assert calls(body(site, "/v1/admin/usage", "acme-admin")) == {"secret": 1_000}


def test_pages_go_on_by_their_cursor(site: Site) -> None:
    first = body(site, "/v1/usage?limit=1", "ann")
    assert calls(first) == {"docs": 1}
    second = body(site, f"/v1/usage?limit=1&cursor={first['next_cursor']}", "ann")
    assert calls(second) == {"flights": 2}
    assert second["next_cursor"] is None
    assert second["total"] == first["total"]


def test_usage_comes_as_csv_too(site: Site) -> None:
    response = ask(site, "/v1/usage?limit=1", "ann", Accept="text/csv")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    (row,) = csv.DictReader(io.StringIO(response.text))
    assert (row["agent"], row["runs"], row["usd"]) == ("docs", "1", "0.001")
    following = ask(site, "/v1/usage" + response.links["next"]["url"], "ann", Accept="text/csv")
    assert following.text.splitlines()[1].startswith("flights,1,2,")
    assert "next" not in following.links
    both = ask(site, "/v1/usage", "ann", Accept="application/json, text/csv")
    assert both.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "by", "status"),
    [
        ("/v1/usage", "none", 403),
        ("/v1/admin/usage", "ann", 403),
        ("/v1/admin/workers", "ann", 403),
        ("/v1/admin/workers", "acme-admin", 403),
        ("/v1/usage?group_by=principal", "ann", 422),
        ("/v1/admin/usage?group_by=tenant", "admin", 422),
        ("/v1/usage?from=yesterday", "ann", 422),
        ("/v1/usage?from=2026-01-01T12:00:00", "ann", 422),
        ("/v1/usage?since=2026-01-01", "ann", 422),
        ("/v1/usage?cursor=%21", "ann", 422),
        ("/v1/usage?limit=0", "ann", 422),
    ],
)
def test_what_is_not_allowed_or_not_known_is_refused(
    site: Site, path: str, by: str, status: int
) -> None:
    response = ask(site, path, by)
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"


def test_workers_are_listed_with_the_open_runs_of_each_release(site: Site) -> None:
    found = body(site, "/v1/admin/workers", "admin")
    (worker,) = found["workers"]
    assert (worker["state"], worker["slots"], worker["release"]) == ("live", 3, "7")
    # Those of the other tenant are not told.
    (release,) = found["releases"]
    assert (release["release"], release["input_required"]) == ("7", 1)
    assert not release["stranded"]


def test_readiness_warns_of_open_runs_that_no_worker_executes(site: Site) -> None:
    assert site.http.get("/readyz").json()["warnings"] == []
    with site.project.database.transaction() as session:
        session.execute(update(WorkerRow).values(state="draining"))
    told = site.http.get("/readyz")
    assert told.status_code == 200
    assert "saaf workers" in told.json()["warnings"][0]
    assert "7" not in told.json()["warnings"][0]


async def test_the_client_reads_all_groups_near_and_far(site: Site) -> None:
    async with Client(site.url, token=site.token("ann")) as far:
        told = await far.usage(since=site.clock.now().date())
    assert [line["key"] for line in told["data"]] == ["flights"]
    assert told["total"]["model_calls"] == 2
    ann = Principal(issuer=site.url, subject="client:ann", client_id="ann", kind="client",
                    scopes=frozenset({"runs:read"}))  # fmt: skip
    near = await site.project.usage.own(ann)
    assert [line.model_dump() for line in near.data][1:] == told["data"]
