"""Signing in here with an account elsewhere: OpenID Connect, as a relying party."""

from saaf_autogen.auth.federation.federation import Federation, FinishedSignIn, ProviderChoice

__all__ = ["Federation", "FinishedSignIn", "ProviderChoice"]
