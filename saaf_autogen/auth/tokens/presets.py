"""How the access tokens of known products look, and how they differ from their ID tokens.

Only RFC 9068 gives access tokens a type of their own. Where a product does not, an ID token, which
any web page that people sign in to may hold, must be told apart by what is in it. The sources of
what stands here are named in ``docs/identity-providers.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from saaf_autogen.settings import ClaimSettings

__all__ = ["Kind", "NoAccessToken", "Preset", "preset_of"]

Claims = Mapping[str, Any]
Kind = Literal["user", "client"]
_ID_TOKEN_MEMBERS = ("nonce", "at_hash", "c_hash", "s_hash", "events")


@dataclass(frozen=True, slots=True)
class Preset:
    """A product's access tokens.

    Attributes:
        token_types: values of the header ``typ``, in lower case; ``""`` if there may be none.
        claims: where they say what SAAF asks of a principal.
        kind_of: by claims and client id, whether a user or the client itself speaks; a text says
            why the token is no access token.
        token_id: claims that identify the token, the first that is there.
        client_scopes: paths to the scopes of a client's own token, if other than a user's.
    """

    token_types: frozenset[str]
    claims: ClaimSettings
    kind_of: Callable[[Claims, str], Kind | NoAccessToken]
    token_id: tuple[str, ...] = ("jti",)
    client_scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoAccessToken:
    """These are not the claims of an access token; ``because`` ends the sentence that says so."""

    because: str


def preset_of(name: str | None) -> Preset:
    """The preset of that name; None is RFC 9068 as it is written."""
    return _PRESETS[name]


def _standard(claims: Claims, client: str) -> Kind | NoAccessToken:
    # RFC 9068, section 2.2: without a resource owner, `sub` is the client's identifier. The type
    # is checked by the header; these hold where a deployment allows `JWT` there.
    if (member := _id_token_member(claims)) is not None:
        return NoAccessToken(f"it holds {member}, as ID tokens do")
    if client in _listed(claims.get("aud")):
        return NoAccessToken("it is for its own client, as ID tokens are")
    return "client" if claims.get("sub") == client else "user"


def _saaf(claims: Claims, client: str) -> Kind | NoAccessToken:
    return "client" if claims.get("sub") == f"client:{client}" else "user"


def _keycloak(claims: Claims, client: str) -> Kind | NoAccessToken:
    # `typ` tells: ID, Refresh, Offline and Logout are the others.
    if claims.get("typ") not in ("Bearer", "DPoP"):
        return NoAccessToken("its claim typ is neither Bearer nor DPoP")
    own = claims.get("client_id", claims.get("clientId"))
    name = claims.get("preferred_username")
    account = f"service-account-{client}".casefold()
    fits = name is None or (isinstance(name, str) and name.casefold() == account)
    return "client" if own == client and fits else "user"


def _entra(claims: Claims, _client: str) -> Kind | NoAccessToken:
    # An application that is its own API has ID and access tokens with the same `aud`.
    if (member := _id_token_member(claims)) is not None:
        return NoAccessToken(f"it holds {member}, as ID tokens do")
    kind, delegated = claims.get("idtyp"), "scp" in claims
    same = claims.get("sub") is not None and claims.get("sub") == claims.get("oid")
    if delegated and kind in (None, "user"):
        return "user"
    if not delegated and (kind == "app" or (kind is None and same)):
        return "client"
    return NoAccessToken("it is neither a user's (scp) nor an application's (idtyp, oid)")


def _auth0(claims: Claims, client: str) -> Kind | NoAccessToken:
    if (member := _id_token_member(claims)) is not None:
        return NoAccessToken(f"it holds {member}, as ID tokens do")
    if client in _listed(claims.get("aud")):
        return NoAccessToken("it is for its own client, as ID tokens are")
    subject = claims.get("sub")
    if subject == f"{client}@clients":
        return "client"
    if isinstance(subject, str) and subject.endswith("@clients"):
        return NoAccessToken("its subject is a client that it was not issued to")
    return "user"


def _okta(claims: Claims, client: str) -> Kind | NoAccessToken:
    token_id = claims.get("jti")
    if not isinstance(token_id, str) or not token_id.startswith("AT."):
        return NoAccessToken("its jti does not start with AT., as those of access tokens do")
    if isinstance(claims.get("uid"), str):
        return "user"
    if claims.get("sub") == client:
        return "client"
    return NoAccessToken("it names neither a user (uid) nor its client (sub)")


def _id_token_member(claims: Claims) -> str | None:
    return next((name for name in _ID_TOKEN_MEMBERS if name in claims), None)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


_STANDARD = ClaimSettings(
    groups=["groups"], scopes=["scope"], client_id=["client_id"], name="name", email="email"
)
_PRESETS: Mapping[str | None, Preset] = {
    None: Preset(frozenset({"at+jwt"}), _STANDARD, _standard),
    "saaf": Preset(frozenset({"at+jwt"}), _STANDARD, _saaf),
    "keycloak": Preset(
        frozenset({"jwt", "at+jwt"}),
        ClaimSettings(
            groups=["groups"],
            scopes=["scope"],
            client_id=["azp"],
            name="name",
            email="email",
        ),
        _keycloak,
    ),
    "entra": Preset(
        frozenset({"jwt"}),
        ClaimSettings(
            groups=["groups"],
            scopes=["scp"],
            client_id=["azp", "appid"],
            name="name",
            email="email",
        ),
        _entra,
        token_id=("uti", "jti"),
        # A user's roles say what the person may do, not what they let this client do.
        client_scopes=("roles",),
    ),
    "auth0": Preset(
        frozenset({"jwt", "at+jwt"}),
        ClaimSettings(
            scopes=["scope"],
            client_id=["azp", "client_id"],
            name="name",
            email="email",
        ),
        _auth0,
    ),
    "okta": Preset(
        frozenset({"", "jwt"}),
        ClaimSettings(
            subject="uid",
            groups=["groups"],
            scopes=["scp"],
            client_id=["cid"],
            name="name",
            email="email",
        ),
        _okta,
    ),
}
