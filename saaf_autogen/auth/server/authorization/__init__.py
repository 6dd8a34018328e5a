"""Authorization requests: one check a file; ``authorizations.py`` is the way through them."""

from saaf_autogen.auth.server.authorization.authorizations import Authorizations, BrowserSession
from saaf_autogen.auth.server.authorization.refusals import PageRefusal, RedirectRefusal
from saaf_autogen.auth.server.authorization.request import AuthorizationRequest, NextStep

__all__ = [
    "AuthorizationRequest",
    "Authorizations",
    "BrowserSession",
    "NextStep",
    "PageRefusal",
    "RedirectRefusal",
]
