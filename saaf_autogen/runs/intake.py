"""What may become a run: the caller's rights, the agent's, limits, and where callbacks go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Actor, Principal
from saaf_autogen.auth.standing import Standing
from saaf_autogen.egress import EgressClient
from saaf_autogen.errors import InvalidArguments
from saaf_autogen.runs.limits import limits_of
from saaf_autogen.runs.model import AgentLookup, RunRequest
from saaf_autogen.runs.store import NewRun
from saaf_autogen.settings import RunSettings

__all__ = ["Intake", "SecretFor"]

SecretFor = Callable[[str, str], Awaitable[str | None]]
"""From (tenant, client id) to the client's webhook secret (``whsec_…``), or None."""

_MAX_KEY = 255


class Intake:
    """Checks requests for runs; nothing is stored here.

    Args:
        agents: from an id to the agent; raises ``NotFound``.
        egress: judges webhook URLs.
        secret_for: which client can be called back.
        settings: limits.
        policy: which scopes a caller holds.
        standing: what a caller still holds now; None: as it comes.
        release: of the deployment; runs keep the one that accepted them.
    """

    def __init__(
        self,
        agents: AgentLookup,
        egress: EgressClient,
        secret_for: SecretFor,
        settings: RunSettings,
        *,
        policy: Policy,
        standing: Standing | None = None,
        release: str = "",
    ) -> None:
        self._agents = agents
        self._egress = egress
        self._secret_for = secret_for
        self._settings = settings
        self._policy = policy
        self._standing = standing
        self._release = release

    async def require(self, principal: Principal, scope: str, doing: str) -> Principal:
        """The caller with what it holds now, which must include the scope."""
        if self._standing is not None:
            principal = await self._standing.now(principal)
        self._policy.require_scopes(principal, [scope], action=doing)
        return principal

    async def prepare(
        self,
        principal: Principal,
        request: RunRequest,
        *,
        idempotency_key: str | None = None,
        resolve: bool = True,
    ) -> NewRun:
        """What a run of this request is made of, after every check.

        Args:
            principal: the caller; what it holds now counts.
            request: what to do.
            idempotency_key: of the run.
            resolve: whether the webhook's host must resolve now.

        Raises:
            SaafError: as ``RunService.create``.
        """
        self.check_key(idempotency_key)
        principal = await self.require(principal, "agents:run", "Starting a run")
        new = self.order(principal, request, idempotency_key)
        if request.webhook and resolve:
            await self.check_webhook(principal, request.webhook.url)
        return new

    def order(
        self, principal: Principal, request: RunRequest, idempotency_key: str | None = None
    ) -> NewRun:
        """The run that a caller may have: it acts through the agent, within both their scopes."""
        agent = self._agents(request.agent_id)
        if request.priority > 0:
            self._policy.require_scopes(principal, ["runs:prioritize"], action="A priority over 0")
        acting = principal.model_copy(
            update={
                "actors": (Actor(subject=f"agent:{agent.id}"), *principal.actors),
                "scopes": principal.scopes & agent.scopes,
            }
        )
        limits = limits_of(request, agent, self._settings)
        return NewRun(request, principal.key, acting, agent, limits, idempotency_key, self._release)

    async def check_webhook(self, principal: Principal, url: str) -> None:
        """Refuse an address that no callback of this caller could go to."""
        await self._egress.check_url(url)
        client = principal.client_id
        if client is None or await self._secret_for(principal.tenant, client) is None:
            raise InvalidArguments(
                "The caller has no webhook secret to sign a callback with.",
                remedy="Call as a client that has one (saaf clients), or leave webhook out.",
            )

    def check_key(self, key: str | None) -> None:
        """Refuse an idempotency key of no use."""
        if key is not None and not 1 <= len(key) <= _MAX_KEY:
            raise InvalidArguments(
                f"The Idempotency-Key is not 1 to {_MAX_KEY} characters long.", remedy="Use a UUID."
            )
