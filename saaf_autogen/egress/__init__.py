"""HTTP that leaves the host: addresses checked and pinned, no redirects, no proxies."""

from saaf_autogen.egress.address import is_public
from saaf_autogen.egress.client import EgressClient, EgressResponse
from saaf_autogen.egress.network import Resolver, SystemResolver
from saaf_autogen.egress.policy import EgressPolicy
from saaf_autogen.egress.transport import EgressTransport

__all__ = [
    "EgressClient",
    "EgressPolicy",
    "EgressResponse",
    "EgressTransport",
    "Resolver",
    "SystemResolver",
    "is_public",
]
