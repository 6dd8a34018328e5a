"""The container's files, as far as they can be checked without a container engine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from saaf_autogen.cli.main import app
from tests.conftest import ROOT

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
KUSTOMIZE = ROOT / "deploy" / "kustomize"


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
        if re.search("PASSWORD|KEY|DATABASE_URL", name):
            assert re.search(r"\$\{\w+:\?", value), f"{name} has no default, and must be given"


@pytest.mark.parametrize("name", ["saaf", "worker"])
def test_compose_builds_this_dockerfile_and_locks_its_processes_down(
    compose: dict[str, Any], name: str
) -> None:
    service = compose["services"][name]
    built = (ROOT / "deploy" / service["build"]["context"]).resolve()
    assert built / service["build"]["dockerfile"] == DOCKERFILE
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_compose_parts_the_api_from_its_workers(compose: dict[str, Any]) -> None:
    api, worker = compose["services"]["saaf"], compose["services"]["worker"]
    assert_command(api["command"])
    assert_command(worker["command"])
    assert "--no-worker" in api["command"]
    assert worker["command"][0] == "worker"
    assert "ports" not in worker
    assert worker["environment"] == api["environment"]
    assert worker["depends_on"]["saaf"] == {"condition": "service_healthy"}


def test_compose_declares_what_its_services_name(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in compose["volumes"]


def assert_command(arguments: list[str]) -> None:
    """These are arguments that ``saaf`` takes."""
    command: Any = get_command(app)
    inner = command.get_command(None, arguments[0])
    inner.make_context(arguments[0], arguments[1:], resilient_parsing=False)


@pytest.fixture(scope="module")
def kinds() -> dict[tuple[str, str], dict[str, Any]]:
    """The objects of the kustomization by kind and name."""
    listed = yaml.safe_load((KUSTOMIZE / "kustomization.yaml").read_text())["resources"]
    assert set(listed) == {
        file.name for file in KUSTOMIZE.glob("*.yaml") if file.name != "kustomization.yaml"
    }
    documents = [
        each for name in listed for each in yaml.safe_load_all((KUSTOMIZE / name).read_text())
    ]
    return {(each["kind"], each["metadata"]["name"]): each for each in documents}


@pytest.mark.parametrize("name", ["saaf-api", "saaf-worker"])
def test_pods_are_locked_down_and_know_what_all_must_know(
    kinds: dict[tuple[str, str], dict[str, Any]], name: str
) -> None:
    spec = kinds["Deployment", name]["spec"]
    pod = spec["template"]["spec"]
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert str(pod["securityContext"]["runAsUser"]) in DOCKERFILE.read_text()
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]
    assert_command(container["args"])
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    sources = yaml.safe_load((KUSTOMIZE / "kustomization.yaml").read_text())
    made = {
        each["name"] for kind in ("configMap", "secret") for each in sources[f"{kind}Generator"]
    }
    named = {ref["name"] for source in container["envFrom"] for ref in source.values()}
    assert named <= made
    assert container["image"] in {image["name"] for image in sources["images"]}


def test_the_api_is_asked_whether_it_is_ready_and_workers_are_not(
    kinds: dict[tuple[str, str], dict[str, Any]],
) -> None:
    pods = {
        name: kinds["Deployment", name]["spec"]["template"] for name in ("saaf-api", "saaf-worker")
    }
    (api,) = pods["saaf-api"]["spec"]["containers"]
    (worker,) = pods["saaf-worker"]["spec"]["containers"]
    assert "--no-worker" in api["args"]
    assert api["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert "ports" not in worker
    assert (
        kinds["Service", "saaf-api"]["spec"]["selector"] == pods["saaf-api"]["metadata"]["labels"]
    )


def test_the_kustomization_holds_no_secret() -> None:
    lines = (KUSTOMIZE / "secrets.env.example").read_text().splitlines()
    settings = [line for line in lines if line and not line.startswith("#")]
    assert {line.partition("=")[0] for line in settings} == {"SAAF_DATABASE_URL", "SAAF_MASTER_KEY"}
    assert all(line.endswith("=") for line in settings)
    assert "deploy/kustomize/secrets.env" in (ROOT / ".gitignore").read_text().splitlines()
    assert not any("kind: Secret" in file.read_text() for file in KUSTOMIZE.glob("*.yaml"))
