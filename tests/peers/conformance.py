"""Runs the conformance suite of the Model Context Protocol against an authorization server."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.relying_party import NODE, PEERS

__all__ = ["COMMAND", "Check", "free_port", "run_suite", "spec_versions"]

COMMAND = PEERS / "node_modules" / ".bin" / "conformance"


@dataclass(frozen=True)
class Check:
    """One check of a scenario.

    Attributes:
        status: SUCCESS, WARNING, FAILURE or SKIPPED.
        message: why it is no success.
    """

    scenario: str
    id: str
    status: str
    message: str
    details: dict[str, Any]


def spec_versions() -> dict[str, list[str]]:
    """The versions of the specification with scenarios for authorization servers, as it says."""
    said = subprocess.run(
        [NODE, COMMAND, "list", "--authorization"],
        cwd=PEERS,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    found: dict[str, list[str]] = {}
    for line in said.splitlines():
        name, _, versions = line.strip().removeprefix("- ").partition(" [")
        for version in versions.removesuffix("]").split(",") if versions else []:
            found.setdefault(version, []).append(name)
    return found


def free_port() -> int:
    """A port of loopback that was free a moment ago: the suite wants to be given one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_suite(
    issuer: str,
    output: Path,
    visit: Callable[[str], object],
    *,
    client_id: str | None = None,
    client_secret: str | None = None,
    resource: str | None = None,
    version: str | None = None,
    port: int,
) -> list[Check]:
    """Every scenario for authorization servers; ``visit`` opens the address that a person would.

    Args:
        issuer: where the server is.
        output: a folder that does not exist yet; the suite writes its checks there.
        visit: goes to an authorization request and ends at the suite's own callback.
        client_id, client_secret, resource: of the authorization request.
        version: of the specification; None is all of them.
        port: where the suite waits for the callback.
    """
    given = {
        "--url": issuer,
        "--client-id": client_id,
        "--client-secret": client_secret,
        "--resource": resource,
        "--spec-version": version,
        "--port": str(port),
        "--output-dir": str(output),
    }
    options = [word for name, value in given.items() if value for word in (name, value)]
    with subprocess.Popen(
        [NODE, COMMAND, "authorization", *options],
        cwd=PEERS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        said = []
        try:
            for line in process.stdout:
                said.append(line)
                if line.startswith(f"{issuer}/oauth/authorize?"):
                    _await_callback(port)
                    visit(line.strip())
            process.wait(timeout=30)
        finally:
            process.kill()
    found = [check for file in sorted(output.rglob("checks.json")) for check in _checks(file)]
    assert found, "".join(said)
    return found


def _await_callback(port: int) -> None:
    """The suite tells the address before it listens for the answer."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return


def _checks(file: Path) -> list[Check]:
    # The folder is SCENARIO-TIME, the time with dashes of its own.
    scenario = file.parent.name.partition("-20")[0]
    return [
        Check(
            scenario,
            check["id"],
            check["status"],
            check.get("errorMessage", ""),
            check.get("details", {}),
        )
        for check in json.loads(file.read_text())
    ]
