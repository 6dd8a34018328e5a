"""The client with which people sign in from a command line or a notebook."""

from __future__ import annotations

from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.settings import ClientSettings

__all__ = ["CLI_CLIENT", "cli_client"]

CLI_CLIENT = "saaf-cli"


def cli_client(scopes: ScopeRegistry) -> ClientSettings:
    """Public, of the tenant ``default``, for every scope of the host: its users bound it.

    Anybody can say that they are a public client, and any program may listen on loopback. So it
    is no first party: its user is asked each time (RFC 8252, section 8.6).
    """
    return ClientSettings(
        id=CLI_CLIENT,
        title="SAAF command line and notebooks",
        scopes=[scope.name for scope in scopes],
        authentication="none",
        grant_types=[
            "authorization_code",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        # RFC 8252, section 7.3: of loopback addresses, any port is taken.
        redirect_uris=["http://127.0.0.1/callback", "http://[::1]/callback"],
    )
