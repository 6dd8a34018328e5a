"""The embedded authorization server, on Authlib's framework-agnostic core; synchronous.

``issuer.py`` is the way in. One grant is one file in ``grants/``; what every grant shares (client
authentication, targets, scopes, access tokens) has a file of its own here.
"""

from saaf_autogen.auth.server.issuer import Issuer
from saaf_autogen.auth.server.messages import Answer, FormRequest

__all__ = ["Answer", "FormRequest", "Issuer"]
