"""Issuers that the deployment trusts: keys that come and go, outages, opaque tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from saaf_autogen.auth.discovery import Provider
from saaf_autogen.auth.jwks import RemoteKeys
from saaf_autogen.auth.tokens import TokenVerifier
from saaf_autogen.egress import EgressClient
from saaf_autogen.errors import Forbidden, Unauthenticated, Unavailable
from saaf_autogen.testing import ManualClock
from tests.auth.tokens.conftest import EMBEDDED, OwnKeys, Trust
from tests.auth.tokens.issuer import AUDIENCE, METADATA, LocalIssuer, new_key

OPAQUE = "2YotnFZFEjr1zCsicMWpAA"
ASKS = {"introspection": {"client_id": "saaf", "client_secret_env": "SECRET"}}


def active(issuer: LocalIssuer, **changes: Any) -> dict[str, Any]:
    return {"active": True, "token_type": "Bearer", **issuer.claims(**changes)}


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


class TestKeys:
    async def test_a_verified_token_is_remembered_and_nothing_is_asked(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        verifier, token = trust(issuer), issuer.token()
        first = await verifier.verify(token)
        assert await verifier.verify(token) is first
        assert issuer.asked == {METADATA: 1, "/jwks": 1}

    async def test_a_new_key_is_found_when_a_token_names_it(
        self, trust: Trust, issuer: LocalIssuer, clock: ManualClock
    ) -> None:
        verifier = trust(issuer)
        await verifier.verify(issuer.token())
        issuer.publish(new_key(), issuer.key)
        clock.advance(11)
        await verifier.verify(issuer.token())

    async def test_a_key_that_left_the_set_verifies_nothing_after_the_next_reading(
        self, trust: Trust, issuer: LocalIssuer, clock: ManualClock
    ) -> None:
        verifier, token = trust(issuer), issuer.token()
        await verifier.verify(token)
        issuer.publish(new_key())
        clock.advance(11)
        await verifier.verify(issuer.token())
        with pytest.raises(Unauthenticated):
            await verifier.verify(token)

    async def test_an_issuer_that_is_away_is_unavailable_with_a_remedy(
        self, trust: Trust, issuer: LocalIssuer, clock: ManualClock
    ) -> None:
        answers, issuer.answers = issuer.answers, {}
        verifier, token = trust(issuer), issuer.token()
        with pytest.raises(Unavailable) as refusal:
            await verifier.verify(token)
        assert refusal.value.remedy
        issuer.answers = answers
        clock.advance(6)
        await verifier.verify(token)

    async def test_known_keys_count_while_the_issuer_is_away_up_to_a_bound(
        self, trust: Trust, issuer: LocalIssuer, clock: ManualClock
    ) -> None:
        verifier = trust(issuer, stale_s=3600)
        await verifier.verify(issuer.token())
        issuer.answers = {}
        clock.advance(3590)
        await verifier.verify(issuer.token())
        clock.advance(20)
        with pytest.raises(Unavailable):
            await verifier.verify(issuer.token())

    async def test_an_issuer_that_is_away_is_asked_only_now_and_then(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        issuer.answers = {}
        verifier = trust(issuer)
        for _ in range(10):
            with pytest.raises(Unavailable):
                await verifier.verify(issuer.token())
        assert sum(issuer.asked.values()) == 2  # OpenID Connect's place and RFC 8414's.

    async def test_many_tokens_at_once_ask_once(self, trust: Trust, issuer: LocalIssuer) -> None:
        verifier = trust(issuer)
        await asyncio.gather(*(verifier.verify(issuer.token()) for _ in range(20)))
        assert issuer.asked == {METADATA: 1, "/jwks": 1}

    async def test_metadata_may_stand_where_rfc_8414_puts_it(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        name = f"{issuer.url}/realms/acme"
        _, headers, document = issuer.answers.pop(METADATA)
        place = "/.well-known/oauth-authorization-server/realms/acme"
        issuer.answers[place] = (200, headers, {**document, "issuer": name})
        await trust({"issuer": name}).verify(issuer.token(iss=name))

    async def test_keys_may_be_named_without_any_metadata(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        verifier = trust(issuer, jwks_uri=f"{issuer.url}/jwks")
        await verifier.verify(issuer.token())
        assert issuer.asked == {"/jwks": 1}

    async def test_a_token_without_kid_is_taken_if_there_is_one_key(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        token = issuer.token(header={"kid": None})
        await trust(issuer).verify(token)
        issuer.publish(issuer.key, new_key())
        with pytest.raises(Unauthenticated):
            await trust(issuer).verify(token)

    async def test_the_background_reads_again_and_tells_when_a_key_is_gone(
        self, issuer: LocalIssuer, egress: EgressClient, clock: ManualClock
    ) -> None:
        provider = Provider(issuer.url, egress, clock, refresh_s=0.02)
        gone = asyncio.Event()
        provider.on_removal(gone.set)
        running = asyncio.create_task(provider.run())
        await until(lambda: issuer.asked["/jwks"] > 1)
        assert not gone.is_set()
        issuer.publish(new_key())
        await asyncio.wait_for(gone.wait(), 5)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    async def test_the_background_outlives_an_issuer_that_is_away(
        self,
        issuer: LocalIssuer,
        egress: EgressClient,
        clock: ManualClock,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        answers, issuer.answers = issuer.answers, {}
        provider = Provider(issuer.url, egress, clock)
        running = asyncio.create_task(provider.run())
        await until(lambda: bool(caplog.records))
        assert issuer.url in caplog.text
        issuer.answers = answers
        await asyncio.sleep(1.2)
        asked = issuer.asked["/jwks"]
        assert await provider.keys(issuer.key.kid)
        assert issuer.asked["/jwks"] == asked == 1
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    async def test_old_keys_are_read_again_without_anyone_waiting(
        self, issuer: LocalIssuer, egress: EgressClient, clock: ManualClock
    ) -> None:
        keys = RemoteKeys(f"{issuer.url}/jwks", egress, clock, fresh_s=60)
        assert await keys.find(issuer.key.kid)
        clock.advance(61)
        issuer.answers.pop("/jwks")
        assert await keys.find(issuer.key.kid)
        await until(lambda: issuer.asked["/jwks"] == 2)


class TestRouting:
    async def test_tokens_of_both_the_embedded_and_other_issuers_are_taken(
        self, trust: Trust, issuer: LocalIssuer, own_keys: OwnKeys
    ) -> None:
        verifier = trust(issuer)
        own = issuer.token(
            key=own_keys.key, iss=EMBEDDED, aud=EMBEDDED, tenant="default", fam="fam_1", jti="j"
        )
        principal = (await verifier.verify(own)).principal
        assert (principal.issuer, principal.token_id, principal.family) == (EMBEDDED, "j", "fam_1")
        assert (await verifier.verify(issuer.token())).principal.issuer == issuer.url

    async def test_without_the_embedded_issuer_its_tokens_are_refused(
        self, issuer: LocalIssuer, own_keys: OwnKeys, clock: ManualClock
    ) -> None:
        verifier = TokenVerifier(
            issuer=EMBEDDED,
            audience=EMBEDDED,
            keys=own_keys,
            revoked=frozenset[str | None](),
            clock=clock,
            embedded=False,
        )
        with pytest.raises(Unauthenticated, match="not trusted"):
            await verifier.verify(
                issuer.token(key=own_keys.key, iss=EMBEDDED, aud=EMBEDDED, tenant="default")
            )

    async def test_the_same_subject_of_two_issuers_is_two_principals(
        self, trust: Trust, issuer: LocalIssuer, other_issuer: LocalIssuer
    ) -> None:
        verifier = trust(issuer, other_issuer)
        one = (await verifier.verify(issuer.token())).principal
        two = (await verifier.verify(other_issuer.token())).principal
        assert one.subject == two.subject
        assert one.key != two.key

    async def test_a_refusal_for_its_tenant_is_not_a_401(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        verifier = trust(issuer, claims={"tenant": "org"}, tenants=["europe"])
        with pytest.raises(Forbidden):
            await verifier.verify(issuer.token(org="asia"))
        assert (await verifier.verify(issuer.token(org="europe"))).principal.tenant == "europe"


class TestOpaqueTokens:
    async def test_an_opaque_token_is_asked_about_with_the_hosts_own_credentials(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        issuer.tokens[OPAQUE] = active(issuer)
        principal = (await trust(issuer, **ASKS).verify(OPAQUE)).principal
        assert (principal.kind, principal.subject) == ("user", "ann")
        assert principal.scopes == {"warehouse:query"}
        headers, form = issuer.heard["/introspect"]
        # "saaf:s e+cret", each part form-encoded first.
        assert headers["authorization"] == "Basic c2FhZjpzK2UlMkJjcmV0"
        assert form == {"token": OPAQUE, "token_type_hint": "access_token"}

    async def test_an_answer_holds_for_a_while_and_never_past_the_expiry(
        self, trust: Trust, issuer: LocalIssuer, clock: ManualClock
    ) -> None:
        verifier = trust(issuer, introspection={**ASKS["introspection"], "cache_s": 20})
        now = int(clock.now().timestamp())
        issuer.tokens[OPAQUE] = active(issuer, exp=now + 30)
        for _ in range(3):
            await verifier.verify(OPAQUE)
        assert issuer.asked["/introspect"] == 1
        clock.advance(21)
        await verifier.verify(OPAQUE)
        assert issuer.asked["/introspect"] == 2
        issuer.tokens[OPAQUE] = {"active": False}
        clock.advance(10)
        with pytest.raises(Unauthenticated):
            await verifier.verify(OPAQUE)

    async def test_that_a_token_is_not_known_is_remembered_briefly(
        self, trust: Trust, issuer: LocalIssuer, clock: ManualClock
    ) -> None:
        verifier = trust(issuer, **ASKS)
        for _ in range(5):
            with pytest.raises(Unauthenticated, match="not known"):
                await verifier.verify(OPAQUE)
        assert issuer.asked["/introspect"] == 1
        issuer.tokens[OPAQUE] = active(issuer)
        clock.advance(11)
        await verifier.verify(OPAQUE)

    @pytest.mark.parametrize(
        "changes",
        [
            {"active": "true"},
            {"active": 1},
            {"token_type": None},
            {"token_type": "refresh_token"},
            {"aud": None},
            {"aud": "https://other.example"},
            {"iss": "https://other.example"},
            {"exp": None},
            {"exp": 1},
            {"client_id": None},
            {"sub": "client:web"},
            {"nonce": "n"},
        ],
    )
    async def test_an_answer_that_is_not_of_an_access_token_for_us_is_refused(
        self, trust: Trust, issuer: LocalIssuer, changes: dict[str, Any]
    ) -> None:
        answer = {**active(issuer), **changes}
        issuer.tokens[OPAQUE] = {name: value for name, value in answer.items() if value is not None}
        with pytest.raises(Unauthenticated):
            await trust(issuer, **ASKS).verify(OPAQUE)

    async def test_a_token_that_nobody_authorised_is_its_clients_own(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        issuer.tokens[OPAQUE] = active(issuer, sub=None)
        principal = (await trust(issuer, **ASKS).verify(OPAQUE)).principal
        assert (principal.kind, principal.subject) == ("client", "client:web")

    @pytest.mark.parametrize(
        "answer", [(500, {}, {}), (401, {}, {}), (302, {"location": "/x"}, {}), (200, {}, b"<p>")]
    )
    async def test_an_issuer_that_cannot_answer_is_unavailable(
        self, trust: Trust, issuer: LocalIssuer, answer: Any
    ) -> None:
        issuer.answers["/introspect"] = answer
        with pytest.raises(Unavailable, match="could not be asked"):
            await trust(issuer, **ASKS).verify(OPAQUE)

    async def test_issuers_are_asked_in_their_order_until_one_knows_the_token(
        self, trust: Trust, issuer: LocalIssuer, other_issuer: LocalIssuer
    ) -> None:
        other_issuer.tokens[OPAQUE] = active(other_issuer)
        verifier = trust(issuer, other_issuer, **ASKS)
        assert (await verifier.verify(OPAQUE)).principal.issuer == other_issuer.url
        issuer.answers["/introspect"] = (500, {}, {})
        verifier = trust(issuer, other_issuer, **ASKS)
        assert (await verifier.verify(OPAQUE)).principal.issuer == other_issuer.url
        with pytest.raises(Unavailable):
            await verifier.verify("another-token")

    async def test_jwts_are_never_sent_to_an_issuer(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        verifier = trust(issuer, **ASKS)
        for token in (issuer.token(aud="x"), issuer.token(iss="https://other.example")):
            with pytest.raises(Unauthenticated):
                await verifier.verify(token)
        assert "/introspect" not in issuer.asked

    async def test_without_introspection_an_opaque_token_is_refused(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        with pytest.raises(Unauthenticated):
            await trust(issuer).verify(OPAQUE)

    @pytest.mark.parametrize(
        "token", ["short", "saaf_rt_" + "x" * 43, "x" * 5000, "with space", "späte", "a&b=c"]
    )
    async def test_what_no_token_looks_like_is_not_sent(
        self, trust: Trust, issuer: LocalIssuer, token: str
    ) -> None:
        with pytest.raises(Unauthenticated):
            await trust(issuer, **ASKS).verify(token)
        assert "/introspect" not in issuer.asked

    async def test_the_audience_may_be_one_of_several(
        self, trust: Trust, issuer: LocalIssuer
    ) -> None:
        issuer.tokens[OPAQUE] = active(issuer, aud=["https://other.example", AUDIENCE])
        await trust(issuer, **ASKS).verify(OPAQUE)
