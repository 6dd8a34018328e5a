"""Device codes: a device waits, a person answers, one set of tokens comes of it."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from saaf_autogen.auth.identity.users import UserRecord
from saaf_autogen.auth.server.approval import ApprovedOrder
from saaf_autogen.auth.server.device import DeviceCodes, read_user_code
from tests.auth.server.flows import DEVICE, SCOPES, Flows, claims_of, refused


def begin(flows: Flows, client: str = "tv", **form: str) -> dict[str, Any]:
    response = flows.post(client, "device_authorization", **form)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def poll(flows: Flows, device_code: str, client: str = "tv", **form: str) -> httpx.Response:
    return flows.post(client, grant_type=DEVICE, device_code=device_code, **form)


def devices(flows: Flows) -> DeviceCodes:
    return flows.site.identity.devices


def approve(flows: Flows, user_code: str, user: UserRecord) -> bool:
    waiting = devices(flows).pending(user_code)
    return waiting is not None and devices(flows).approve(user_code, user, waiting.order)


def test_a_device_gets_tokens_once_a_person_approved(flows: Flows) -> None:
    asked = begin(flows, scope="semantic:read")
    assert asked["verification_uri"] == f"{flows.site.url}/device"
    assert asked["verification_uri_complete"].endswith(f"?user_code={asked['user_code']}")
    assert (asked["expires_in"], asked["interval"]) == (600, 5)
    refused(poll(flows, asked["device_code"]), "authorization_pending")
    user = flows.user()
    assert approve(flows, asked["user_code"], user)
    flows.site.clock.advance(5)
    response = poll(flows, asked["device_code"])
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["scope"] == "semantic:read"
    assert claims_of(body["access_token"])["sub"] == user.id
    assert flows.active(body["access_token"])
    assert flows.refresh(body["refresh_token"], "tv").status_code == 200


def test_a_user_code_is_readable_and_taken_as_people_type_it(flows: Flows) -> None:
    code = begin(flows)["user_code"]
    assert re.fullmatch("[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", code)
    for typed in (code, code.lower(), code.replace("-", ""), f" {code} ", code.replace("-", " ")):
        waiting = devices(flows).pending(typed)
        assert waiting is not None
        assert (waiting.user_code, waiting.client_id) == (code, "tv")
        assert waiting.order.scopes == SCOPES
    for typed in ("", "AAAA-AAAA", code + "B", "B" * 10_000, "\u00df" * 8):
        assert read_user_code(typed) is None
        assert devices(flows).pending(typed) is None


class TestDeviceAttacks:
    def test_device_code_reuse_is_an_invalid_grant(self, flows: Flows) -> None:
        asked = begin(flows)
        approve(flows, asked["user_code"], flows.user())
        assert poll(flows, asked["device_code"]).status_code == 200
        refused(poll(flows, asked["device_code"]), "invalid_grant")

    def test_polling_too_often_slows_the_device_down(self, flows: Flows) -> None:
        code = begin(flows)["device_code"]
        refused(poll(flows, code), "authorization_pending")
        refused(poll(flows, code), "slow_down")
        flows.site.clock.advance(9)
        refused(poll(flows, code), "slow_down")
        flows.site.clock.advance(15)
        refused(poll(flows, code), "authorization_pending")

    def test_a_denied_device_gets_nothing(self, flows: Flows) -> None:
        asked = begin(flows)
        assert devices(flows).deny(asked["user_code"])
        assert not approve(flows, asked["user_code"], flows.user())
        refused(poll(flows, asked["device_code"]), "access_denied")

    def test_an_expired_code_gets_nothing_and_can_be_approved_no_more(self, flows: Flows) -> None:
        asked = begin(flows)
        flows.site.clock.advance(600)
        assert not approve(flows, asked["user_code"], flows.user())
        refused(poll(flows, asked["device_code"]), "expired_token")

    @pytest.mark.parametrize("thief", ["machine", "web"])
    def test_a_client_that_may_not_use_device_codes_is_refused(
        self, flows: Flows, thief: str
    ) -> None:
        response = flows.post(thief, "device_authorization", scope="semantic:read")
        refused(response, "unauthorized_client")
        refused(poll(flows, begin(flows)["device_code"], thief), "unauthorized_client")

    def test_a_device_code_by_another_client_is_refused(self, flows: Flows) -> None:
        asked = begin(flows)
        approve(flows, asked["user_code"], flows.user())
        refused(poll(flows, asked["device_code"], "saaf-cli"), "invalid_grant")
        assert poll(flows, asked["device_code"]).status_code == 200

    def test_a_guessed_device_code_is_refused(self, flows: Flows) -> None:
        refused(poll(flows, "saaf_dc_" + "x" * 43), "invalid_grant")
        refused(flows.post("tv", grant_type=DEVICE), "invalid_request")

    def test_a_user_of_another_tenant_cannot_approve(self, flows: Flows) -> None:
        asked = begin(flows)
        assert not approve(flows, asked["user_code"], flows.user(tenant="acme"))
        refused(poll(flows, asked["device_code"]), "authorization_pending")

    def test_only_the_first_answer_counts(self, flows: Flows) -> None:
        asked, ann, bob = begin(flows), flows.user(), flows.user()
        order = ApprovedOrder(scopes=("semantic:read",), audience=(flows.site.url,))
        assert devices(flows).approve(asked["user_code"], ann, order)
        assert not devices(flows).approve(asked["user_code"], bob, order)
        assert not devices(flows).deny(asked["user_code"])
        body = poll(flows, asked["device_code"]).json()
        assert claims_of(body["access_token"])["sub"] == ann.id

    def test_unknown_scopes_are_refused_and_others_are_not_asked_for(self, flows: Flows) -> None:
        refused(flows.post("tv", "device_authorization", scope="moon:land"), "invalid_scope")
        refused(flows.post("tv", "device_authorization", scope="iam:admin"), "invalid_scope")
        asked = begin(flows, scope="iam:admin semantic:read openid")
        waiting = devices(flows).pending(asked["user_code"])
        assert waiting is not None
        assert waiting.order.scopes == ("semantic:read", "openid")

    def test_a_device_that_begins_with_a_key_must_go_on_with_it(self, flows: Flows) -> None:
        key, other = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
        path = "device_authorization"
        asked = flows.post("tv", path, proof=flows.proof(key, path)).json()
        approve(flows, asked["user_code"], flows.user())
        refused(poll(flows, asked["device_code"], proof=flows.proof(other)), "invalid_grant")
