"""The grants that the token endpoint takes, one a file."""

from saaf_autogen.auth.server.grants.authorization_code import AuthorizationCode
from saaf_autogen.auth.server.grants.client_credentials import ClientCredentials
from saaf_autogen.auth.server.grants.device_code import DeviceCode
from saaf_autogen.auth.server.grants.refresh_token import RefreshToken
from saaf_autogen.auth.server.grants.token_exchange import TokenExchange

__all__ = [
    "GRANTS",
    "AuthorizationCode",
    "ClientCredentials",
    "DeviceCode",
    "RefreshToken",
    "TokenExchange",
]

GRANTS = (ClientCredentials, AuthorizationCode, RefreshToken, DeviceCode, TokenExchange)
