"""From the claims of somebody else's token to what a principal here is made of."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from saaf_autogen.auth.principal import Attribute
from saaf_autogen.errors import Forbidden
from saaf_autogen.settings import ClaimSettings
from saaf_autogen.settings.paths import claim_path

__all__ = ["ClaimMap", "merged"]

Claims = Mapping[str, Any]
_MAX_TEXT = 1_000
_MAX_LISTED = 500


def merged(settings: ClaimSettings, preset: ClaimSettings) -> ClaimSettings:
    """What a deployment says of claims, over what the preset says."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    return preset.model_copy(update=given)


class ClaimMap:
    """Reads groups, tenant, scopes and attributes of claims, as configured.

    What has another type than it should is left out, which denies: a missing group or attribute
    never widens a right. What the issuer keeps back is refused (``Forbidden``), for a token that
    hides some groups may hide one that a deny rule names.

    Args:
        settings: the paths.
        tenant: of everyone, if ``settings.tenant`` is absent.
        tenants: what ``settings.tenant`` may name.
    """

    def __init__(
        self, settings: ClaimSettings, *, tenant: str, tenants: Sequence[str] = ()
    ) -> None:
        self._settings = settings
        self._tenant = tenant
        self._tenants = frozenset(tenants)

    def holds(self, claims: Claims, path: str) -> bool:
        """Whether the claims say anything at a path, be it that it is to be had elsewhere."""
        elsewhere = claims.get("_claim_names")
        kept_back = isinstance(elsewhere, Mapping) and claim_path(path)[0] in elsewhere
        return kept_back or _at(claims, path) is not None

    def subject(self, claims: Claims) -> str | None:
        """The user, or None if no usable text names one."""
        return _text(_at(claims, self._settings.subject or "sub"))

    def client_id(self, claims: Claims) -> str | None:
        """The client, by the first path that leads to a text."""
        found = (_text(_at(claims, path)) for path in self._settings.client_id)
        return next((value for value in found if value is not None), None)

    def shown(self, claims: Claims) -> tuple[str, str | None]:
        """Name and e-mail address of a person, for reading only."""
        name = _text(_at(claims, self._settings.name)) if self._settings.name else None
        email = _text(_at(claims, self._settings.email)) if self._settings.email else None
        return name or "", email

    def groups(self, claims: Claims) -> frozenset[str]:
        """The groups here.

        Raises:
            Forbidden: the issuer left them out of the token because there are too many, or there
                are more than are read here: who is in many must not lose the one that is denied.
        """
        found: set[str] = set()
        for path in self._settings.groups:
            _check_kept_back(claims, path)
            value = _at(claims, path)
            if isinstance(value, list) and len(value) > _MAX_LISTED:
                raise _beyond(_MAX_LISTED)
            found.update(_texts(value))
        if self._settings.groups and claims.get("hasgroups") is True:
            raise _too_many("groups")
        if len(found) > _MAX_LISTED:
            raise _beyond(_MAX_LISTED)
        names = self._settings.group_names
        if not names:
            return frozenset(found)
        return frozenset(names[name] for name in found if name in names)

    def tenant(self, claims: Claims) -> str:
        """The tenant here.

        Raises:
            Forbidden: the claims name none, or one that is not for this issuer.
        """
        path = self._settings.tenant
        if path is None:
            return self._tenant
        value = _text(_at(claims, path))
        if value is not None and self._settings.tenant_names:
            value = self._settings.tenant_names.get(value)
        if value is None or value not in self._tenants:
            raise Forbidden(
                f"The claim {path} names no tenant that this issuer may speak for.",
                remedy="An admin can add it to `tenants` of the issuer in saaf.yaml.",
            )
        return value

    def scopes(
        self, claims: Claims, known: Container[str], paths: Sequence[str] = ()
    ) -> frozenset[str]:
        """The scopes here: mapped by ``scope_names``, or of the same name; none that is unknown.

        Raises:
            Forbidden: the issuer left them out of the token.
        """
        found: set[str] = set()
        for path in paths or self._settings.scopes:
            _check_kept_back(claims, path)
            value = _at(claims, path)
            found |= set(value.split(" ")) if isinstance(value, str) else set(_texts(value))
        names = self._settings.scope_names
        if names:
            found = {scope for name in found for scope in names.get(name, ())}
        return frozenset(scope for scope in found if scope in known)

    def attributes(self, claims: Claims) -> dict[str, Attribute]:
        """The attributes here; lists of texts become tuples."""
        found: dict[str, Attribute] = {}
        for name, path in self._settings.attributes.items():
            _check_kept_back(claims, path)
            value = _at(claims, path)
            if isinstance(value, list):
                texts = _texts(value)
                if len(texts) == len(value):
                    found[name] = texts
            elif isinstance(value, bool | int):
                found[name] = value
            elif (text := _text(value)) is not None:
                found[name] = text
        return found


def _at(claims: Claims, path: str) -> object:
    value: object = claims
    for name in claim_path(path):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _text(value: object) -> str | None:
    usable = isinstance(value, str) and 0 < len(value) <= _MAX_TEXT and value.isprintable()
    return value if usable and isinstance(value, str) else None


def _texts(value: object) -> tuple[str, ...]:
    listed = value[:_MAX_LISTED] if isinstance(value, list) else [value]
    found = (_text(item) for item in listed)
    return tuple(item for item in found if item is not None)


def _check_kept_back(claims: Claims, path: str) -> None:
    # OpenID Connect Core, section 5.6.2: a distributed claim is to be fetched elsewhere.
    elsewhere = claims.get("_claim_names")
    name = claim_path(path)[0]
    if isinstance(elsewhere, Mapping) and name in elsewhere:
        raise _too_many(name)


def _beyond(most: int) -> Forbidden:
    return Forbidden(
        f"The token names more than {most} groups.",
        remedy="Have the issuer put in those alone that are assigned to the application.",
    )


def _too_many(name: str) -> Forbidden:
    return Forbidden(
        f"The token does not hold its {name}: its issuer left them out, as they are too many, and "
        "says where they are to be fetched instead.",
        remedy="Have the issuer put in the groups that are assigned to the application alone, or "
        "use application roles: see docs/identity-providers.md.",
    )
