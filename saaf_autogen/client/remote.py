"""A host far away: transport and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Literal
from urllib.parse import urlencode

import httpx
from httpx_sse import aconnect_sse

from saaf_autogen.actions.spec import ActionOutcome, ActionPort, ActionSpec
from saaf_autogen.client.tokens import HostTokens
from saaf_autogen.errors import SaafError, Unavailable, error_from_problem
from saaf_autogen.runs.model import TERMINAL

__all__ = ["RemoteHost", "is_last"]

_MAX_RECONNECTS = 20


class RemoteHost:
    """Speaks to a SAAF host over HTTPS, as the holder of a token.

    Args:
        url: the host's address.
        token: an access token; or
        client_id, client_secret: client credentials, with which tokens are taken and renewed.

    Attributes:
        tokens: the caller's; ``sign_in`` of it takes the place of the above.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._http = http or httpx.AsyncClient(base_url=url.rstrip("/"), timeout=120)
        self.tokens = HostTokens(
            self._http, token=token, client_id=client_id, client_secret=client_secret
        )

    async def list_actions(self) -> list[ActionSpec]:
        """The actions that this caller holds all scopes for."""
        listed = await self.request("GET", "/v1/actions")
        return [ActionSpec(**{**each, "scopes": tuple(each["scopes"])}) for each in listed["data"]]

    async def call(
        self, name: str, arguments: dict[str, Any], *, idempotency_key: str | None = None
    ) -> ActionOutcome:
        """Call an action by its name."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        body = await self.request("POST", f"/v1/actions/{name}", json=arguments, headers=headers)
        return ActionOutcome(body["value"], body["cut"], body["call_id"])

    def tools(self) -> ActionPort:
        """The same actions: to the host, every call from here comes over REST."""
        return self

    async def create_run(self, body: dict[str, Any], key: str | None) -> dict[str, Any]:
        """Start a run."""
        headers = {"Idempotency-Key": key} if key else {}
        return await self.request("POST", "/v1/runs", json=body, headers=headers)

    async def create_runs(self, bodies: list[dict[str, Any]], key: str | None) -> dict[str, Any]:
        """Start many runs, all or none."""
        headers = {"Idempotency-Key": key} if key else {}
        return await self.request("POST", "/v1/runs/batch", json={"runs": bodies}, headers=headers)

    async def list_runs(self, query: dict[str, str]) -> dict[str, Any]:
        """A page of the caller's runs, newest first."""
        return await self.request("GET", f"/v1/runs?{urlencode(query)}")

    async def get_run(self, run_id: str) -> dict[str, Any]:
        """A run as it stands."""
        return await self.request("GET", f"/v1/runs/{run_id}")

    async def cancel_run(self, run_id: str) -> dict[str, Any]:
        """Ask for a run's end."""
        return await self.request("POST", f"/v1/runs/{run_id}/cancel")

    async def answer_run(
        self, run_id: str, body: dict[str, Any], key: str | None
    ) -> dict[str, Any]:
        """Answer what a run waits for."""
        headers = {"Idempotency-Key": key} if key else {}
        return await self.request("POST", f"/v1/runs/{run_id}/input", json=body, headers=headers)

    async def create_schedule(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make a schedule."""
        return await self.request("POST", "/v1/schedules", json=body)

    async def list_schedules(self, query: dict[str, str]) -> dict[str, Any]:
        """A page of the caller's schedules, oldest first."""
        return await self.request("GET", f"/v1/schedules?{urlencode(query)}")

    async def get_schedule(self, schedule_id: str) -> dict[str, Any]:
        """A schedule as it stands."""
        return await self.request("GET", f"/v1/schedules/{schedule_id}")

    async def change_schedule(self, schedule_id: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Apply a merge patch to it, whatever it is now."""
        path, headers = f"/v1/schedules/{schedule_id}", {"If-Match": "*"}
        return await self.request("PATCH", path, json=patch, headers=headers)

    async def switch_schedule(
        self, schedule_id: str, verb: Literal["pause", "resume"]
    ) -> dict[str, Any]:
        """Pause or resume it."""
        return await self.request("POST", f"/v1/schedules/{schedule_id}/{verb}")

    async def trigger_schedule(self, schedule_id: str, key: str | None) -> dict[str, Any]:
        """Start a run of it now."""
        headers = {"Idempotency-Key": key} if key else {}
        return await self.request("POST", f"/v1/schedules/{schedule_id}/trigger", headers=headers)

    async def remove_schedule(self, schedule_id: str) -> None:
        """Remove it."""
        await self.request("DELETE", f"/v1/schedules/{schedule_id}")

    async def usage(self, query: dict[str, str]) -> dict[str, Any]:
        """A page of what the caller's ended runs used."""
        return await self.request("GET", f"/v1/usage?{urlencode(query)}")

    async def stream_run(self, run_id: str, after: int) -> AsyncGenerator[dict[str, Any], None]:
        """The run's events after number ``after``; reconnects where it left off."""
        failures = 0
        while True:
            try:
                headers = await self._headers({"Last-Event-ID": str(after)})
                path = f"/v1/runs/{run_id}/stream"
                async with aconnect_sse(self._http, "GET", path, headers=headers) as source:
                    if source.response.status_code != 200:
                        await source.response.aread()
                        raise _error(source.response)
                    failures, before = 0, after
                    async with aclosing(source.aiter_sse()) as events:
                        async for event in events:
                            if not event.data:
                                continue
                            body: dict[str, Any] = event.json()
                            after = int(event.id or after)
                            yield body
                            if is_last(body):
                                return
                # A host that stops ends its streams before the runs' ends; the next one goes on.
                if after == before and (await self.get_run(run_id))["status"] in TERMINAL:
                    return
            except (httpx.TransportError, Unavailable) as error:
                failures += 1
                if failures == _MAX_RECONNECTS:
                    raise Unavailable("The host's event stream was lost.") from error
            await asyncio.sleep(min(2.0, 0.1 * 2**failures))

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """One request; raises the error that the host answered with."""
        try:
            response = await self._http.request(
                method, path, json=json, headers=await self._headers(headers or {})
            )
        except httpx.TransportError as error:
            raise Unavailable(
                f"The host at {self._http.base_url} cannot be reached.",
                remedy="Is it running? `saaf serve` starts one.",
            ) from error
        if response.is_error:
            raise _error(response)
        body: dict[str, Any] = response.json() if response.content else {}
        return body

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def _headers(self, more: dict[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self.tokens.current()}", **more}


def is_last(event: Mapping[str, Any]) -> bool:
    """Whether a run's log ends with this event."""
    return str(event["type"]).removeprefix("run.") in TERMINAL


def _error(response: httpx.Response) -> SaafError:
    try:
        document = response.json()
    except ValueError:
        document = {}
    if isinstance(document, dict) and "code" in document:
        return error_from_problem(document)
    return SaafError(f"The host answered {response.status_code}.")
