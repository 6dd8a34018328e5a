"""The endpoints of the authorization server. They speak OAuth's own formats, not problems.

The pages that people see, ``/oauth/authorize`` among them, are in ``api/pages``.
"""

from saaf_autogen.api.oauth.router import oauth_router, token_route

__all__ = ["oauth_router", "token_route"]
