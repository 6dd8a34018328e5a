"""What is known of a request by and by, so that the audit can be told of it whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from saaf_autogen.db import DEFAULT_TENANT

__all__ = ["Trace"]


@dataclass
class Trace:
    """Never a secret, a code or a token.

    Attributes:
        client_id: of the client that was authenticated, or None.
        subject: whom the answer is about: of the token, else the client, else nobody yet.
        actors: who acts for the subject, outermost first.
        grant_type: of a token request.
        details: scopes, audience, the family: what the answer is about.
    """

    tenant: str = DEFAULT_TENANT
    client_id: str | None = None
    subject: str = "anonymous"
    actors: tuple[str, ...] = ()
    grant_type: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
