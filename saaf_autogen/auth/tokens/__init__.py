"""Access tokens on the resource server's side: verified without the store, cached, revoked."""

from saaf_autogen.auth.tokens.revocation import RevokedTokens
from saaf_autogen.auth.tokens.trusted import TrustedIssuers
from saaf_autogen.auth.tokens.verified import Verified
from saaf_autogen.auth.tokens.verifier import TokenVerifier
from saaf_autogen.auth.tokens.watch import TokenWatch

__all__ = ["RevokedTokens", "TokenVerifier", "TokenWatch", "TrustedIssuers", "Verified"]
