"""Faults of ``issuers`` and ``sign_in.providers``, found before anyone calls."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence

from saaf_autogen.auth.conditions import Fault
from saaf_autogen.egress import EgressPolicy
from saaf_autogen.errors import ConfigurationError, Finding, InvalidArguments
from saaf_autogen.settings import (
    ClaimSettings,
    Document,
    IssuerSettings,
    ProviderSettings,
    Settings,
)

__all__ = ["validate_issuers"]

_SHARED_ENTRA = re.compile(r"//login\.microsoftonline\.[^/]+/(common|organizations|consumers)(/|$)")


def validate_issuers(
    settings: Settings,
    document: Document,
    *,
    scopes: Container[str],
    environ: Mapping[str, str],
) -> list[Finding]:
    """Faults of the issuers and providers that ``document`` names, each at its line.

    Nothing is asked over the network. Found are addresses that egress would refuse, variables that
    are not set, mappings to what does not exist, and issuers that stand there twice.

    Args:
        settings: what ``document`` says.
        document: ``saaf.yaml``, for line numbers.
        scopes: all scopes of the host.
        environ: where secrets are.
    """
    try:
        egress = EgressPolicy(settings.egress.allow)
    except ConfigurationError:
        return []  # Said of egress.allow itself.
    found: list[tuple[tuple[str | int, ...], Fault]] = []
    for index, issuer in enumerate(settings.issuers):
        if issuer.issuer in [each.issuer for each in settings.issuers[:index]]:
            again = f"{issuer.issuer} is declared more than once"
            found.append((("issuers", index), Fault(("issuer",), again, "remove one")))
        faults = [
            *_issuer_faults(issuer, settings, egress, environ),
            *_shared_faults(issuer, scopes),
        ]
        found += [(("issuers", index), fault) for fault in faults]
    for index, provider in enumerate(settings.sign_in.providers):
        faults = [
            *_provider_faults(provider, egress, environ),
            *_shared_faults(provider, scopes),
        ]
        found += [(("sign_in", "providers", index), fault) for fault in faults]
    return [
        document.finding((*place, *fault.place), fault.message, fault.remedy)
        for place, fault in found
    ]


def _issuer_faults(
    issuer: IssuerSettings,
    settings: Settings,
    egress: EgressPolicy,
    environ: Mapping[str, str],
) -> Iterator[Fault]:
    if issuer.issuer.rstrip("/") == settings.server.public_url:
        message = f"{issuer.issuer} is this host itself"
        yield Fault(("issuer",), message, "remove it: its own tokens are taken anyway")
    needed = issuer.jwks_uri is None
    yield from _address_faults(
        egress,
        issuer=None if issuer.discovery_url or not needed else issuer.issuer,
        discovery_url=issuer.discovery_url,
        jwks_uri=issuer.jwks_uri,
    )
    asked = issuer.introspection
    if asked is not None:
        for fault in _address_faults(egress, url=asked.url):
            yield Fault(("introspection", *fault.place), fault.message, fault.remedy)
        if not environ.get(asked.client_secret_env):
            yield _unset(("introspection", "client_secret_env"), asked.client_secret_env)


def _provider_faults(
    provider: ProviderSettings,
    egress: EgressPolicy,
    environ: Mapping[str, str],
) -> Iterator[Fault]:
    own = provider.discovery_url
    yield from _address_faults(egress, issuer=None if own else provider.issuer, discovery_url=own)
    variable = provider.client_secret_env
    if variable is not None and not environ.get(variable):
        yield _unset(("client_secret_env",), variable)


def _shared_faults(
    item: IssuerSettings | ProviderSettings, scopes: Container[str]
) -> Iterator[Fault]:
    claims = item.claims
    if claims.tenant is not None and not item.tenants:
        message = "`claims.tenant` is given, and `tenants` names none that it may be"
        yield Fault(("claims", "tenant"), message, "list them under `tenants`")
    yield from _mapping_faults(claims, item.tenants, scopes)
    if _SHARED_ENTRA.search(item.issuer):
        message = "this address of Entra is shared by all its tenants, so it is no issuer"
        remedy = "write https://login.microsoftonline.com/TENANT-ID/v2.0"
        yield Fault(("issuer",), message, remedy)


def _mapping_faults(
    claims: ClaimSettings, tenants: Sequence[str], scopes: Container[str]
) -> Iterator[Fault]:
    for foreign, names in claims.scope_names.items():
        for name in names:
            if name not in scopes:
                place = ("claims", "scope_names", foreign)
                yield Fault(place, f"there is no scope {name}", "see `saaf scopes`")
    for foreign, tenant in claims.tenant_names.items():
        if tenant not in tenants:
            place = ("claims", "tenant_names", foreign)
            yield Fault(place, f"{tenant} is not in `tenants`", "list it there")


def _address_faults(egress: EgressPolicy, **addresses: str | None) -> Iterator[Fault]:
    for name, address in addresses.items():
        if address is None:
            continue
        try:
            egress.check(address)
        except InvalidArguments as error:
            yield Fault((name,), f"{address}: {error.detail}", error.remedy or "")


def _unset(place: tuple[str | int, ...], variable: str) -> Fault:
    return Fault(place, f"the variable {variable} is not set", "set it to the client's secret")
