"""The container's files, as far as they can be checked without a container engine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

DOCKERFILE = ROOT / "deploy" / "Dockerfile"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    return document


def test_hadolint_finds_no_fault_in_the_dockerfile() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_base_image_is_an_argument_and_the_host_is_not_root() -> None:
    lines = DOCKERFILE.read_text().splitlines()
    assert any(line.startswith("ARG BASE=") for line in lines)
    assert all("${BASE}" in line for line in lines if line.startswith("FROM "))
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1] not in ("0", "root")


def test_every_dependency_is_installed_by_its_hash() -> None:
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    installs = [line for line in re.split(r"\n|&&", text) if "pip install" in line]
    assert installs
    for line in installs:
        own = line.rstrip().endswith(" .")
        assert "--no-deps" in line if own else "--require-hashes" in line, line


def test_what_the_dockerfile_copies_is_there_and_is_sent() -> None:
    ignored = set((ROOT / ".dockerignore").read_text().split())
    for line in DOCKERFILE.read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source
                assert source not in ignored
    assert {".git", ".saaf", ".venv"} <= ignored


def test_compose_holds_no_secret_and_asks_for_each(compose: dict[str, Any]) -> None:
    settings = {
        name: str(value)
        for service in compose["services"].values()
        for name, value in service.get("environment", {}).items()
    }
    for name, value in settings.items():
        if re.search("PASSWORD|KEY|URL", name):
            assert re.search(r"\$\{\w+:\?", value), f"{name} has no default, and must be given"


def test_compose_builds_this_dockerfile_and_locks_the_host_down(compose: dict[str, Any]) -> None:
    host = compose["services"]["saaf"]
    built = (ROOT / "deploy" / host["build"]["context"]).resolve()
    assert built / host["build"]["dockerfile"] == DOCKERFILE
    assert host["read_only"] is True
    assert host["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in host["ports"])


def test_compose_declares_what_its_services_name(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in compose["volumes"]
