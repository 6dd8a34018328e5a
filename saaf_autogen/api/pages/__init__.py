"""HTML pages: sign-in, consent, devices, the first admin, the account. They work without script."""

from saaf_autogen.api.pages.router import pages_router

__all__ = ["pages_router"]
