"""Attacks on a host that trusts other issuers, each named for what it tries."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from saaf_autogen.errors import Unauthenticated, Unavailable
from saaf_autogen.testing import ManualClock
from tests.auth.tokens.conftest import EMBEDDED, OwnKeys, Trust
from tests.auth.tokens.issuer import AUDIENCE, LocalIssuer, new_key

RSA = RSAKey.generate_key(2048, auto_kid=True)


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def refused(verifier: Any, token: str, match: str | None = None) -> None:
    with pytest.raises(Unauthenticated, match=match) as refusal:
        await verifier.verify(token)
    assert refusal.value.extra["error"] == "invalid_token"


async def test_a_foreign_issuers_key_that_signs_our_issuer_is_refused(
    trust: Trust, issuer: LocalIssuer
) -> None:
    verifier = trust(issuer)
    token = issuer.token(iss=EMBEDDED, sub="client:ann", client_id="ann", tenant="default")
    await refused(verifier, token, "not known here")


async def test_our_key_that_signs_a_foreign_issuer_is_refused(
    trust: Trust, issuer: LocalIssuer, own_keys: OwnKeys
) -> None:
    await refused(trust(issuer), issuer.token(key=own_keys.key), "does not publish")


async def test_one_issuers_key_never_signs_for_another(
    trust: Trust, issuer: LocalIssuer, other_issuer: LocalIssuer
) -> None:
    verifier = trust(issuer, other_issuer)
    await verifier.verify(issuer.token())
    await verifier.verify(other_issuer.token())
    await refused(verifier, issuer.token(iss=other_issuer.url), "does not publish")


async def test_kid_injection_into_another_issuers_key_is_refused(
    trust: Trust, issuer: LocalIssuer, other_issuer: LocalIssuer
) -> None:
    verifier = trust(issuer, other_issuer)
    mine = new_key()
    forged = issuer.token(key=mine, header={"kid": issuer.key.kid})
    await refused(verifier, forged, "signature")
    for kid in ("../../dev/null", "' OR 1=1 --", f"{other_issuer.key.kid}"):
        await refused(verifier, issuer.token(key=mine, header={"kid": kid}), "does not publish")
    head = {"alg": "ES256", "typ": "at+jwt", "kid": 7}
    await refused(verifier, f"{segment(head)}.{segment(issuer.claims())}.AAAA", "kid")


async def test_an_issuer_that_nobody_named_is_refused_unasked(
    trust: Trust, issuer: LocalIssuer, other_issuer: LocalIssuer
) -> None:
    verifier = trust(issuer)
    await refused(verifier, other_issuer.token(), "not trusted")
    for name in (None, 7, [issuer.url], f"{issuer.url}/", issuer.url.upper()):
        await refused(verifier, issuer.token(iss=name))
    assert not other_issuer.asked


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS384", "ES512"])
async def test_an_algorithm_that_is_not_taken_is_refused(
    trust: Trust, issuer: LocalIssuer, algorithm: str
) -> None:
    head = {"alg": algorithm, "typ": "at+jwt", "kid": issuer.key.kid}
    token = f"{segment(head)}.{segment(issuer.claims())}."
    await refused(trust(issuer), token, "algorithm")
    await refused(trust(issuer), token + "AAAA", "algorithm")


async def test_hs256_with_the_public_key_as_secret_is_refused(
    trust: Trust, issuer: LocalIssuer
) -> None:
    issuer.publish(RSA)
    verifier = trust(issuer)
    for secret in (RSA.as_pem(private=False), json.dumps(RSA.as_dict(private=False)).encode()):
        forged = jwt.encode(
            {"alg": "HS256", "typ": "at+jwt", "kid": RSA.kid},
            issuer.claims(),
            OctKey.import_key(base64.b64encode(secret)),
            algorithms=["HS256"],
        )
        await refused(verifier, forged, "algorithm")


async def test_an_allowed_algorithm_with_a_key_of_another_type_is_refused(
    trust: Trust, issuer: LocalIssuer
) -> None:
    issuer.publish(RSA)
    forged = issuer.token(key=new_key(), header={"kid": RSA.kid})
    await refused(trust(issuer), forged, "signature")


async def test_a_key_that_may_not_verify_is_not_used(trust: Trust, issuer: LocalIssuer) -> None:
    public = issuer.key.as_dict(private=False)
    small = rsa.generate_private_key(65537, 1024).public_key().public_numbers().n  # noqa: S505
    modulus = base64.urlsafe_b64encode(small.to_bytes(128, "big")).rstrip(b"=").decode()
    for jwk, key in (
        ({**public, "use": "enc"}, issuer.key),
        ({**public, "alg": "ES384"}, issuer.key),
        ({**public, "key_ops": ["encrypt"]}, issuer.key),
        ({"kty": "RSA", "n": modulus, "e": "AQAB", "kid": issuer.key.kid}, issuer.key),
        ({"kty": "RSA", "n": 7, "e": "AQAB", "kid": issuer.key.kid}, issuer.key),
        ({**public, "crv": "P-521"}, issuer.key),
        ({**public, "x": public["y"]}, issuer.key),
        ({"kty": "oct", "k": "AAAA", "kid": issuer.key.kid}, issuer.key),
    ):
        issuer.answers["/jwks"] = (200, {}, {"keys": [jwk]})
        await refused(trust(issuer), issuer.token(key=key), "does not publish")


@pytest.mark.parametrize("member", ["jwk", "jku", "x5c", "x5u", "crit", "b64", "zip"])
async def test_a_key_or_an_extension_that_travels_with_the_token_is_refused(
    trust: Trust, issuer: LocalIssuer, other_issuer: LocalIssuer, member: str
) -> None:
    mine = new_key()
    value: Any = {
        "jwk": mine.as_dict(private=False),
        "jku": f"{other_issuer.url}/jwks",
        "x5u": f"{other_issuer.url}/jwks",
        "x5c": ["MAAA"],
        "crit": ["exp"],
        "b64": False,
        "zip": "DEF",
    }[member]
    head = {"alg": "ES256", "typ": "at+jwt", "kid": mine.kid, member: value}
    text = f"{segment(head)}.{segment(issuer.claims())}.AAAA"
    await refused(trust(issuer), text, "header holds")
    assert not other_issuer.asked


async def test_an_altered_token_is_refused(trust: Trust, issuer: LocalIssuer) -> None:
    verifier = trust(issuer)
    head, _, signature = issuer.token().split(".")
    more = segment(issuer.claims(scope="iam:admin"))
    await refused(verifier, f"{head}.{more}.{signature}", "signature")
    await refused(verifier, f"{head}.{more}.{'A' * 86}", "signature")
    await refused(verifier, f"{head}.{more}.", "signature")


@pytest.mark.parametrize(
    "text", ["a.b", ".", "..", "e30.e30.", "e30.W10.AAAA", "x" * 20_000, "ä.ö.ü", "e30.e30.AA=="]
)
async def test_a_malformed_token_is_refused_and_nobody_is_asked(
    trust: Trust, issuer: LocalIssuer, text: str
) -> None:
    await refused(trust(issuer), text)
    assert not issuer.asked


@pytest.mark.parametrize("typ", [None, "JWT", "logout+jwt", "secevent+jwt", "dpop+jwt", 7])
async def test_a_token_of_another_type_is_no_access_token(
    trust: Trust, issuer: LocalIssuer, typ: object
) -> None:
    head = {"alg": "ES256", "kid": issuer.key.kid, **({} if typ is None else {"typ": typ})}
    payload = json.dumps(issuer.claims())
    token = (
        jws.serialize_compact(
            head, payload, issuer.key, registry=jws.JWSRegistry(strict_check_header=False)
        )
        if typ != 7
        else f"{segment(head)}.{segment(issuer.claims())}.AAAA"
    )
    await refused(trust(issuer), token, "typ must be")


async def test_an_id_token_is_no_access_token_even_where_types_do_not_tell(
    trust: Trust, issuer: LocalIssuer
) -> None:
    verifier = trust(issuer, token_types=["JWT"], audience=[AUDIENCE, "web"])
    typ = {"typ": "JWT"}
    await verifier.verify(issuer.token(header=typ))
    told: list[dict[str, Any]] = [{"nonce": "n"}, {"at_hash": "h"}, {"c_hash": "h"}, {"events": {}}]
    for changes in told:
        await refused(verifier, issuer.token(header=typ, **changes), "as ID tokens do")
    await refused(verifier, issuer.token(header=typ, aud="web"), "for its own client")
    await refused(verifier, issuer.token(header=typ, client_id=None), "which client")


@pytest.mark.parametrize(
    "audience", [None, "https://other.example", [], [7], {"a": AUDIENCE}, f"{AUDIENCE}/", "https:"]
)
async def test_a_token_for_another_audience_is_refused(
    trust: Trust, issuer: LocalIssuer, audience: object
) -> None:
    await refused(trust(issuer), issuer.token(aud=audience), "another audience")


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"exp": "never"},
        {"exp": 10**400},
        {"exp": True},
        {"iat": None},
        {"exp": 1},
        {"nbf": 1 << 40},
        {"iat": 1 << 40},
    ],
)
async def test_a_token_without_times_or_outside_them_is_refused(
    trust: Trust, issuer: LocalIssuer, changes: dict[str, Any]
) -> None:
    await refused(trust(issuer), issuer.token(**changes))


async def test_a_foreign_user_never_passes_for_a_client(trust: Trust, issuer: LocalIssuer) -> None:
    verifier = trust(issuer)
    for subject in ("client:analyst", "client:web", "", 7, "x" * 300, "ann\n"):
        await refused(verifier, issuer.token(sub=subject), "subject")
    principal = (await verifier.verify(issuer.token(sub="web"))).principal
    assert (principal.kind, principal.subject, principal.issuer) == (
        "client",
        "client:web",
        issuer.url,
    )


async def test_a_foreign_agent_never_passes_for_an_agent_here(
    trust: Trust, issuer: LocalIssuer
) -> None:
    token = issuer.token(act={"sub": "agent:flights"})
    principal = (await trust(issuer).verify(token)).principal
    assert [actor.subject for actor in principal.actors] == [f"{issuer.url}|agent:flights"]


async def test_a_foreign_family_is_not_read(trust: Trust, issuer: LocalIssuer) -> None:
    assert (await trust(issuer).verify(issuer.token(fam="fam_1"))).principal.family is None


async def test_a_token_bound_to_what_cannot_be_checked_is_refused(
    trust: Trust, issuer: LocalIssuer
) -> None:
    verifier = trust(issuer)
    jkt = "A" * 43
    assert (await verifier.verify(issuer.token(cnf={"jkt": jkt}))).jkt == jkt
    for bound in ({"x5t#S256": jkt}, {"jkt": jkt, "x5t#S256": jkt}, {}, {"jkt": 7}, "jkt"):
        await refused(verifier, issuer.token(cnf=bound), "bound to")


async def test_metadata_of_another_issuer_gives_no_keys(
    trust: Trust, issuer: LocalIssuer, other_issuer: LocalIssuer
) -> None:
    issuer.publish(issuer=other_issuer.url)
    with pytest.raises(Unavailable):
        await trust(issuer).verify(issuer.token())
    assert not issuer.asked["/jwks"]


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.7/jwks",
        "https://[::1]/jwks",
        "file:///etc/passwd",
        "http://localhost:22/",
    ],
)
async def test_metadata_that_names_a_private_address_for_keys_is_not_followed(
    trust: Trust, issuer: LocalIssuer, address: str
) -> None:
    issuer.publish(jwks_uri=address)
    with pytest.raises(Unavailable) as refusal:
        await trust(issuer).verify(issuer.token())
    assert refusal.value.remedy


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks"])
async def test_redirected_metadata_or_keys_are_not_followed(
    trust: Trust, issuer: LocalIssuer, other_issuer: LocalIssuer, path: str
) -> None:
    other_issuer.answers["/metadata"] = issuer.answers[path]
    issuer.answers[path] = (302, {"location": f"{other_issuer.url}/metadata"}, {})
    with pytest.raises(Unavailable):
        await trust(issuer).verify(issuer.token())
    assert not other_issuer.asked


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"keys": 7}', b"[" * 100_000, b"x" * 1_100_000, {"keys": [7]}]
)
async def test_keys_that_cannot_be_read_let_nobody_in(
    trust: Trust, issuer: LocalIssuer, body: Any
) -> None:
    issuer.answers["/jwks"] = (200, {}, body)
    with pytest.raises((Unavailable, Unauthenticated)):
        await trust(issuer).verify(issuer.token())


async def test_a_flood_of_unknown_keys_asks_the_issuer_once_in_ten_seconds(
    trust: Trust, issuer: LocalIssuer, clock: ManualClock
) -> None:
    verifier = trust(issuer)
    await verifier.verify(issuer.token())
    clock.advance(11)
    before = issuer.asked["/jwks"]
    for _ in range(20):
        await refused(verifier, issuer.token(key=new_key()), "does not publish")
    assert issuer.asked["/jwks"] == before + 1


async def test_a_private_key_that_an_issuer_publishes_is_used_as_public_only(
    trust: Trust, issuer: LocalIssuer
) -> None:
    issuer.answers["/jwks"] = (200, {}, {"keys": [issuer.key.as_dict(private=True)]})
    assert (await trust(issuer).verify(issuer.token())).principal.subject == "ann"


async def test_two_keys_of_one_id_are_told_apart_by_type(trust: Trust, issuer: LocalIssuer) -> None:
    elliptic = ECKey.generate_key("P-256", {"kid": "same"})
    plain = RSAKey.generate_key(2048, {"kid": "same"})
    issuer.publish(elliptic, plain)
    verifier = trust(issuer)
    await verifier.verify(issuer.token(key=elliptic))
    await verifier.verify(issuer.token(key=plain))
