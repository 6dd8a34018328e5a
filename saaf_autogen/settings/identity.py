"""The parts of ``saaf.yaml`` about who may call: clients, groups, issuers, signing in."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from saaf_autogen.settings.paths import claim_path

__all__ = [
    "Attribute",
    "ClaimSettings",
    "ClientSettings",
    "ClientTerms",
    "GroupSettings",
    "GroupTerms",
    "IntrospectionSettings",
    "IssuerSettings",
    "Name",
    "OAuthSettings",
    "ProviderSettings",
    "SignInSettings",
    "Tenant",
]

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Tenant = Name
Attribute = str | int | bool | list[str]
GrantType = Literal[
    "client_credentials",
    "authorization_code",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
]
Preset = Literal["keycloak", "entra", "auth0", "okta", "saaf"]
Algorithm = Literal["RS256", "PS256", "ES256", "ES384", "Ed25519"]
# Without query and fragment (OpenID Connect Discovery, section 3); "|" would blur ISSUER|SUBJECT.
_ISSUER = r"^https?://[^\s|?#]+$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ClientTerms(_Strict):
    """What a client of the embedded issuer is and may do, whatever its name.

    ``authentication`` is how it proves who it is at the token endpoint: ``secret``,
    ``private_key_jwt`` with the keys of ``jwks_uri`` or ``jwks``, or ``none`` for a public
    client, which relies on PKCE. ``first_party`` clients are the deployment's own: nobody is
    asked to consent.
    """

    title: str = ""
    scopes: list[str] = []
    groups: list[Name] = []
    attributes: dict[str, Attribute] = {}
    authentication: Literal["secret", "private_key_jwt", "none"] = "secret"
    grant_types: list[GrantType] = ["client_credentials"]
    redirect_uris: list[str] = []
    post_logout_redirect_uris: list[str] = []
    jwks_uri: str | None = None
    jwks: dict[str, Any] | None = Field(default=None, description="a JWK Set, instead")
    id_algorithm: Literal["RS256", "ES256"] = "RS256"
    requires_dpop: bool = False
    requires_par: bool = False
    first_party: bool = False
    introspects: bool = Field(
        default=False, description="may ask about any token of its tenant (RFC 7662)"
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.authentication == "none" and "client_credentials" in self.grant_types:
            raise ValueError("a public client cannot have the grant type client_credentials")
        if "authorization_code" in self.grant_types and not self.redirect_uris:
            raise ValueError("the grant type authorization_code needs `redirect_uris`")
        if self.authentication == "private_key_jwt" and not (self.jwks_uri or self.jwks):
            raise ValueError("private_key_jwt needs `jwks_uri` or `jwks`")
        return self


class ClientSettings(ClientTerms):
    """A client of the embedded issuer. Its secret is made at first start, never written here."""

    id: Name
    tenant: Tenant = "default"


class GroupTerms(_Strict):
    """What a group of users is, whatever its name: a title, and scopes for its members."""

    title: str = ""
    scopes: list[str] = []


class GroupSettings(GroupTerms):
    """A group of users and the scopes that its members may have. Members are managed by admins."""

    id: Name
    tenant: Tenant = "default"


class OAuthSettings(_Strict):
    """The embedded authorization server."""

    enabled: bool = Field(default=True, description="false: only the issuers of `issuers` count")
    access_token_s: int = Field(default=300, ge=30, le=3600)
    refresh_token_s: int = Field(
        default=30 * 86_400, ge=300, description="unused for so long, a refresh token ends"
    )
    family_s: int = Field(
        default=90 * 86_400, ge=300, description="after so long, a user signs in again anyway"
    )
    registration: Literal["off", "open"] = Field(
        default="off", description="dynamic client registration (RFC 7591)"
    )
    registration_scopes: list[str] = Field(
        default=[], description="the most that a client that registered itself may ask users for"
    )
    cli_client: bool = Field(
        default=True, description="the public client `saaf-cli`, with which people sign in"
    )
    client_documents: list[str] = Field(
        default=[],
        description="hosts whose client id metadata documents are taken; '*' means any",
    )

    @field_validator("registration_scopes")
    @classmethod
    def _no_admins(cls, scopes: list[str]) -> list[str]:
        if "iam:admin" in scopes:
            raise ValueError("a client that nobody here knows cannot administrate: drop iam:admin")
        return scopes


class ClaimSettings(_Strict):
    """Where claims of a token say what SAAF asks of a principal.

    Each is a path of member names with dots, such as ``realm_access.roles``; a name that has dots
    itself is written in quotes: ``"https://acme.com/groups"``. What is not given here is as the
    preset says.

    Attributes:
        subject: path to what names a user, never reassigned to another; default ``sub``.
        groups: paths to lists of group names; all are joined.
        group_names: foreign group (an id, say) to group here; when given, others are dropped.
        tenant: path; absent: every principal is of the issuer's `tenant`.
        tenant_names: foreign tenant to tenant here; when given, others are refused.
        scopes: paths to scopes, as a list or as text with spaces.
        scope_names: foreign scope or role to scopes here; when given, others are dropped.
        attributes: attribute here to path.
        client_id: paths, the first that is there.
        name: path to what a person is called; only shown.
        email: path to their address; only shown, never an identity.
    """

    subject: str | None = None
    groups: list[str] = []
    group_names: dict[str, str] = {}
    tenant: str | None = None
    tenant_names: dict[str, Tenant] = {}
    scopes: list[str] = []
    scope_names: dict[str, list[str]] = {}
    attributes: dict[str, str] = {}
    client_id: list[str] = []
    name: str | None = None
    email: str | None = None

    @model_validator(mode="after")
    def _readable(self) -> ClaimSettings:
        single = [self.subject, self.tenant, self.name, self.email]
        paths = [*self.groups, *self.scopes, *self.client_id, *self.attributes.values(), *single]
        for path in paths:
            if path is not None:
                claim_path(path)
        return self


class IntrospectionSettings(_Strict):
    """How opaque tokens of an issuer are asked about (RFC 7662)."""

    url: str | None = Field(default=None, description="default: as its metadata says")
    client_id: str
    client_secret_env: str = Field(description="variable that holds the secret")
    cache_s: float = Field(default=30, ge=0, le=60)


class IssuerSettings(_Strict):
    """An issuer whose access tokens this host takes, beside those of its own."""

    issuer: str = Field(pattern=_ISSUER)
    audience: str | list[str] = Field(description="what `aud` must name", min_length=1)
    preset: Preset | None = None
    tenant: Tenant = "default"
    tenants: list[Tenant] = Field(
        default=[], description="tenants that `claims.tenant` may name; others are refused"
    )
    algorithms: list[Algorithm] = Field(default=["RS256", "ES256"], min_length=1)
    token_types: list[str] | None = Field(
        default=None,
        description="values of the header `typ`, '' for none; default: at+jwt, or as the preset",
    )
    discovery_url: str | None = None
    jwks_uri: str | None = None
    introspection: IntrospectionSettings | None = None
    claims: ClaimSettings = ClaimSettings()
    skew_s: float = Field(default=30, ge=0, le=60)
    refresh_s: float = Field(default=300, ge=10, description="between readings of the keys")
    stale_s: float = Field(
        default=3600,
        ge=60,
        le=86_400,
        description="for which the last known keys count while the issuer is away",
    )

    @property
    def audiences(self) -> frozenset[str]:
        """What ``aud`` must name one of."""
        return frozenset([self.audience] if isinstance(self.audience, str) else self.audience)


class ProviderSettings(_Strict):
    """An OpenID provider with which people may sign in here.

    Its redirect URI for this host is ``{server.url}/sign-in/with/{id}/callback``.
    """

    id: Name
    title: str
    issuer: str = Field(pattern=_ISSUER)
    client_id: str
    client_secret_env: str | None = Field(default=None, description="absent: a public client")
    scopes: list[str] = ["openid", "profile", "email"]
    preset: Preset | None = None
    tenant: Tenant = "default"
    tenants: list[Tenant] = Field(
        default=[], description="tenants that `claims.tenant` may name; others are refused"
    )
    claims: ClaimSettings = ClaimSettings()
    user_scopes: list[str] = Field(
        default=[], description="scopes that everyone who signs in this way may have"
    )
    algorithms: list[Algorithm] = Field(
        default=["RS256", "ES256"], min_length=1, description="that may sign ID tokens"
    )
    discovery_url: str | None = None


class SignInSettings(_Strict):
    """How people sign in at the embedded authorization server."""

    password: bool = True
    passkeys: bool = False
    providers: list[ProviderSettings] = []
    session_s: int = Field(default=8 * 3600, ge=300, description="of a browser, at most")
    idle_s: int = Field(default=3600, ge=60, description="of a browser, without a request")
