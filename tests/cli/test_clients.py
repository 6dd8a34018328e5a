from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from typer.testing import CliRunner, Result

from saaf_autogen.cli.main import app
from saaf_autogen.errors import InvalidArguments
from saaf_autogen.testing import RunningHost
from tests.cli.conftest import Saaf


def secret(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    found = re.search(r"client_secret +(\S+)", done.stdout)
    assert found
    return found[1]


def assert_soon_refused(ask: Callable[[], httpx.Response]) -> None:
    """Another process is told within two seconds."""
    deadline = time.monotonic() + 4
    while ask().status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_client_is_made_used_rotated_and_disabled(saaf: Saaf, folder: Path) -> None:
    arguments = ("--scope", "semantic:read", "--group", "airline-analysts")
    first = secret(saaf("clients", "add", "partner", *arguments, "--attribute", "carrier=DL"))
    assert "partner              semantic:read" in saaf("clients", "list").stdout
    with RunningHost(folder) as host:

        def token(password: str) -> httpx.Response:
            form = {"grant_type": "client_credentials"}
            return httpx.post(f"{host.url}/oauth/token", data=form, auth=("partner", password))

        assert token(first).json()["scope"] == "semantic:read"
        second = secret(saaf("clients", "rotate", "partner"))
        assert_soon_refused(lambda: token(first))
        assert token(second).status_code == 200
        third = secret(saaf("clients", "rotate", "partner", "--overlap", "3600"))
        assert token(second).status_code == token(third).status_code == 200
        assert saaf("clients", "disable", "partner").returncode == 0
        assert_soon_refused(lambda: token(third))
        assert saaf("clients", "enable", "partner").returncode == 0
    assert saaf("clients", "disable", "partner").returncode == 0
    assert "(disabled)" in saaf("clients", "list").stdout
    changes = saaf("audit", "list").stdout
    for action in ("iam.create_client", "iam.rotate_client_secret", "iam.disable_client"):
        assert action in changes
    kept = json.loads((folder / ".saaf" / "clients.json").read_text())
    assert "partner" not in kept, "shown once, and kept nowhere"


def test_what_cannot_be_made_is_told_in_a_line(saaf: Saaf) -> None:
    for arguments, words in (
        (("add", "Bad Name", "--scope", "semantic:read"), "id"),
        (("add", "partner", "--scope", "a:b", "--attribute", "carrier"), "NAME=VALUE"),
        (("add", "analyst", "--scope", "semantic:read"), "analyst"),
        (("rotate", "nobody"), "saaf clients list"),
    ):
        done = saaf("clients", *arguments)
        assert done.returncode == 1
        assert done.stderr.startswith("error:")
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_a_rotated_secret_is_kept_where_the_first_one_was(saaf: Saaf, folder: Path) -> None:
    saaf("clients", "list")
    file = folder / ".saaf" / "clients.json"
    before = json.loads(file.read_text())
    rotated = secret(saaf("clients", "rotate", "analyst"))
    signing = saaf("clients", "rotate", "analyst", "--webhook").stdout
    after = json.loads(file.read_text())
    assert after["analyst"]["client_secret"] == rotated != before["analyst"]["client_secret"]
    assert after["analyst"]["webhook_secret"] in signing
    assert after["analyst"]["webhook_secret"] != before["analyst"]["webhook_secret"]
    assert {**after, "analyst": None} == {**before, "analyst": None}
    assert file.stat().st_mode & 0o777 == 0o600


def test_clients_of_every_kind_are_made_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "saaf.yaml").write_text("version: 1\nname: kinds\n")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["clients", *arguments, "--project", str(tmp_path)])

    shop = run(
        *("add", "shop", "--scope", "agents:run", "--first-party", "--dpop"),
        *("--grant-type", "authorization_code", "--grant-type", "refresh_token"),
        *("--redirect-uri", "https://shop.example/callback"),
    )
    assert shop.exit_code == 0
    assert "client_secret   saaf_" in shop.stdout
    tool = run("add", "tool", "--public", "--grant-type", "device_code")
    assert tool.exit_code == 0
    assert "client_secret" not in tool.stdout
    for arguments, words in (
        (("--public",), "client_credentials"),
        (("--grant-type", "authorization_code"), "redirect_uris"),
        (("--grant-type", "password"), "saaf clients add --help"),
        (("--tenant", "nowhere"), "There is no tenant"),
    ):
        failed = run("add", "other", *arguments)
        assert isinstance(failed.exception, InvalidArguments)
        assert words in str(failed.exception)
    listed = run("list").stdout
    for name in ("shop", "tool", "saaf-cli"):
        assert name in listed
    assert "other" not in listed
