"""Consents: what need not be asked again, and what must."""

from __future__ import annotations

import pytest

from saaf_autogen.auth.server.consents import ConsentStore
from saaf_autogen.settings import ClientSettings
from tests.auth.server.flows import Flows

DETAIL = {"type": "saaf_data", "resource": "wh://nyc/main.flights"}
OTHER = {"type": "saaf_data", "resource": "wh://nyc/main.planes"}


@pytest.fixture
def consents(flows: Flows) -> ConsentStore:
    return flows.site.identity.consents


def test_what_was_allowed_is_covered_and_more_is_not(flows: Flows, consents: ConsentStore) -> None:
    user, clients = flows.user(), flows.site.identity.clients
    web, other = clients.get("web"), clients.get("other")
    assert not consents.covers(user, web, ["rag:read"])
    consents.remember(user, web, ["rag:read"])
    assert consents.covers(user, web, ["rag:read"])
    assert consents.covers(user, web, [])
    assert consents.covers(user, web, ["rag:read"], [DETAIL])
    assert not consents.covers(user, web, ["rag:read", "rag:write"])
    assert not consents.covers(user, other, ["rag:read"])
    assert not consents.covers(flows.user(), web, ["rag:read"])
    consents.remember(user, web, ["rag:write"])
    assert consents.covers(user, web, ["rag:read", "rag:write"])


def test_scopes_on_one_part_of_the_data_say_nothing_of_another(
    flows: Flows, consents: ConsentStore
) -> None:
    user, web = flows.user(), flows.site.identity.clients.get("web")
    consents.remember(user, web, ["rag:read"], [DETAIL, OTHER])
    assert consents.covers(user, web, ["rag:read"], [OTHER, DETAIL])
    assert not consents.covers(user, web, ["rag:read"], [DETAIL])
    assert not consents.covers(user, web, ["rag:read"])
    consents.remember(user, web, ["rag:write"], [DETAIL])
    assert not consents.covers(user, web, ["rag:read"], [DETAIL])
    assert not consents.covers(user, web, ["rag:write"])


def test_a_consent_is_listed_and_forgotten(flows: Flows, consents: ConsentStore) -> None:
    user, web = flows.user(), flows.site.identity.clients.get("web")
    consents.remember(user, web, ["rag:read"], [DETAIL])
    (kept,) = consents.list(user)
    assert (kept.client_id, kept.scopes, kept.details) == ("web", ("rag:read",), (DETAIL,))
    assert consents.forget(user, "web")
    assert not consents.forget(user, "web")
    assert consents.list(user) == []


def test_consents_join_no_two_tenants(flows: Flows, consents: ConsentStore) -> None:
    stranger, web = flows.user(tenant="acme"), flows.site.identity.clients.get("web")
    with pytest.raises(ValueError, match="tenant"):
        consents.remember(stranger, web, ["rag:read"])
    assert not consents.covers(stranger, web, [])


def test_a_consent_is_older_than_a_client_that_was_made_anew(
    flows: Flows, consents: ConsentStore
) -> None:
    clients, user = flows.site.identity.clients, flows.user()
    clients.add(ClientSettings(id="fresh"))
    consents.remember(user, clients.get("fresh"), ["rag:read"])
    clients.remove("fresh")
    flows.site.clock.advance(1)
    clients.add(ClientSettings(id="fresh"))
    assert not consents.covers(user, clients.get("fresh"), ["rag:read"])
