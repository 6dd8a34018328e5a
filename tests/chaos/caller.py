"""A caller who does not give up: what the API refuses for now is asked again, with the same key."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx

__all__ = ["Caller"]

_AGAIN = {401, 502, 503}
_PAUSE_S = 0.1


class Caller:
    """The deployment's client, over REST. May be used by several threads.

    Args:
        url: the host.
        client_id: who calls.
        secrets: the file that the first start wrote.
    """

    def __init__(self, url: str, client_id: str, secrets: Path) -> None:
        known = json.loads(secrets.read_text())[client_id]
        self.webhook_secret = str(known["webhook_secret"])
        self._auth = (client_id, str(known["client_secret"]))
        self._http = httpx.Client(base_url=url, timeout=30)
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0
        self.refused = 0

    def run(
        self, agent: str, text: str, key: str, *, webhook: str | None = None, **more: Any
    ) -> str:
        """Start a run; its id."""
        body: dict[str, Any] = {"agent_id": agent, "input": text, **more}
        if webhook:
            body["webhook"] = {"url": webhook}
        return str(self.insist("POST", "/v1/runs", body, key=key)["id"])

    def get(self, run_id: str) -> dict[str, Any]:
        """A run as it stands."""
        return self.insist("GET", f"/v1/runs/{run_id}")

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """A run's whole log."""
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1]["id"] if found else 0
            path = f"/v1/runs/{run_id}/events?starting_after={after}&limit=500"
            page = self.insist("GET", path)["data"]
            found += page
            if len(page) < 500:
                return found

    def insist(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        within_s: float = 120,
    ) -> dict[str, Any]:
        """Ask until there is an answer: hosts may be away, or say that they are busy."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                response = self.ask(method, path, body, key=key)
                if response.status_code < 400:
                    document: dict[str, Any] = response.json()
                    return document
                if response.status_code not in _AGAIN:
                    raise AssertionError(f"{method} {path}: {response.status_code} {response.text}")
                said = f"{response.status_code} {response.text}"
            except httpx.HTTPError as error:
                said = repr(error)
            self.refused += 1
            assert time.monotonic() < deadline, f"{method} {path} never got through: {said}"
            time.sleep(_PAUSE_S)

    def ask(
        self, method: str, path: str, body: Any = None, *, key: str | None = None
    ) -> httpx.Response:
        """Ask once. Raises ``httpx.HTTPError`` when nobody answers."""
        headers = {"authorization": f"Bearer {self._bearer()}"}
        if key:
            headers["idempotency-key"] = key
        return self._http.request(method, path, json=body, headers=headers)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _bearer(self) -> str:
        with self._lock:
            if time.monotonic() > self._renew_at:
                form = {"grant_type": "client_credentials"}
                response = self._http.post("/oauth/token", auth=self._auth, data=form)
                if response.status_code != 200:
                    return ""
                self._token = str(response.json()["access_token"])
                self._renew_at = time.monotonic() + response.json()["expires_in"] / 2
            return self._token
