from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import httpx

from saaf_autogen.testing import RunningHost
from tests.cli.conftest import Saaf


def secret(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    found = re.search(r"client_secret +(\S+)", done.stdout)
    assert found
    return found[1]


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
        assert token(first).status_code == 401
        assert token(second).status_code == 200
        assert saaf("clients", "disable", "partner").returncode == 0
        assert token(second).status_code == 401
    assert "(disabled)" in saaf("clients", "list").stdout
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
