"""Revocation: what ends with what, and whose it must be."""

from __future__ import annotations

import pytest

from tests.auth.server.flows import Flows, refused


def test_a_refresh_token_takes_its_family_with_it(flows: Flows) -> None:
    first = flows.tokens()
    second = flows.refresh(first["refresh_token"]).json()
    assert flows.post("web", "revoke", token=second["refresh_token"]).status_code == 200
    for each in (first, second):
        assert not flows.active(each["access_token"])
        refused(flows.refresh(each["refresh_token"]), "invalid_grant")


def test_an_access_token_ends_alone(flows: Flows) -> None:
    body = flows.tokens()
    flows.post("web", "revoke", token=body["access_token"])
    assert not flows.active(body["access_token"])
    assert flows.active(flows.refresh(body["refresh_token"]).json()["access_token"])


def test_a_public_client_revokes_its_own_tokens(flows: Flows) -> None:
    body = flows.tokens(client="spa")
    assert flows.post("spa", "revoke", token=body["refresh_token"]).status_code == 200
    assert not flows.active(body["access_token"])


def test_sign_out_ends_what_grew_from_the_session_but_for_offline_access(flows: Flows) -> None:
    user = flows.user()
    online = flows.tokens(user, session_id="s1")
    elsewhere = flows.tokens(user, session_id="s2")
    offline = flows.tokens(user, session_id="s1", scopes=("offline_access", "semantic:read"))
    assert flows.site.identity.families.end_session("s1", user=user) == 1
    assert not flows.active(online["access_token"])
    assert flows.active(elsewhere["access_token"])
    assert flows.active(offline["access_token"])


def test_families_are_listed_by_user_and_client_and_end_by_either(flows: Flows) -> None:
    families = flows.site.identity.families
    user = flows.user()
    for client in ("web", "other", "spa"):
        flows.tokens(user, client)
    listed = families.list("default", user_id=user.id)
    assert {family.client_id for family in listed} == {"web", "other", "spa"}
    assert families.list("acme", user_id=user.id) == []
    (web,) = families.list("default", user_id=user.id, client_id="web")
    assert not families.revoke(web.id, "admin revoked it", tenant="acme")
    assert families.revoke(web.id, "admin revoked it", tenant="default")
    assert not families.revoke(web.id, "admin revoked it")
    assert families.revoke_all("user took it back", user_id=user.id, client_id="spa") == 1
    assert families.revoke_all("admin revoked it", user_id=user.id) == 1
    assert families.list("default", user_id=user.id) == []
    with pytest.raises(ValueError, match="user or a client"):
        families.revoke_all("admin revoked it", tenant="default")


class TestRevocationAttacks:
    @pytest.mark.parametrize("client", ["other", "spa", "stranger", "watcher"])
    def test_revoking_anothers_token_is_refused(self, flows: Flows, client: str) -> None:
        body = flows.tokens()
        for token in (body["access_token"], body["refresh_token"]):
            refused(flows.post(client, "revoke", token=token), "invalid_grant")
        assert flows.active(body["access_token"])
        assert flows.refresh(body["refresh_token"]).status_code == 200
