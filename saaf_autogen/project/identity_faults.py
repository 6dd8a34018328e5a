"""Faults of ``saaf.yaml`` about who may call: names that are taken twice, or that mean nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.auth.server.client_keys import jwks_faults
from saaf_autogen.errors import Finding
from saaf_autogen.settings import Document, Settings

__all__ = ["identity_faults"]

Place = tuple[str | int, ...]
_HOST = re.compile(r"\*|[A-Za-z0-9][A-Za-z0-9.-]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")


def identity_faults(
    document: Document, settings: Settings, scopes: ScopeRegistry
) -> Iterator[Finding]:
    """What is wrong with tenants, groups, scopes, clients' keys and addresses, each at its line."""
    for place, names in _scopes_named(settings):
        for scope in scopes.unknown(names):
            yield document.finding(place, f"there is no scope {scope}", "see `saaf scopes`")
    for place, tenant in _tenants_named(settings):
        if tenant not in settings.tenants:
            remedy = f"known: {', '.join(settings.tenants)}; see `tenants`"
            yield document.finding(place, f"there is no tenant {tenant}", remedy)
    for index, client in enumerate(settings.clients):
        for fault in jwks_faults(client.jwks) if client.jwks is not None else ():
            yield document.finding(("clients", index, "jwks"), fault, "mend the JWK Set")
    for index, host in enumerate(settings.oauth.client_documents):
        if not _HOST.fullmatch(host):
            message = f"{host!r} is no name of a host"
            remedy = "write a name such as apps.acme.com, or '*' for any"
            yield document.finding(("oauth", "client_documents", index), message, remedy)
    yield from _repeated(
        document, ("groups",), [f"{group.tenant}|{group.id}" for group in settings.groups]
    )
    yield from _repeated(
        document,
        ("sign_in", "providers"),
        [provider.id for provider in settings.sign_in.providers],
    )


def _scopes_named(settings: Settings) -> Iterator[tuple[Place, Iterable[str]]]:
    for index, group in enumerate(settings.groups):
        yield ("groups", index, "scopes"), group.scopes
    for index, provider in enumerate(settings.sign_in.providers):
        yield ("sign_in", "providers", index, "user_scopes"), provider.user_scopes
    yield ("oauth", "registration_scopes"), settings.oauth.registration_scopes


def _tenants_named(settings: Settings) -> Iterator[tuple[Place, str]]:
    for index, client in enumerate(settings.clients):
        yield ("clients", index, "tenant"), client.tenant
    for index, group in enumerate(settings.groups):
        yield ("groups", index, "tenant"), group.tenant
    for index, provider in enumerate(settings.sign_in.providers):
        yield ("sign_in", "providers", index, "tenant"), provider.tenant
        for tenant in provider.tenants:
            yield ("sign_in", "providers", index, "tenants"), tenant
    for index, issuer in enumerate(settings.issuers):
        yield ("issuers", index, "tenant"), issuer.tenant
        for tenant in issuer.tenants:
            yield ("issuers", index, "tenants"), tenant


def _repeated(document: Document, place: Place, names: list[str]) -> Iterator[Finding]:
    for index, name in enumerate(names):
        if name in names[:index]:
            message = f"{place[-1]}: {name.split('|')[-1]} is declared more than once"
            yield document.finding((*place, index, "id"), message, "rename one")
