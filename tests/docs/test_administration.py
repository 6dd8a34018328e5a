"""The guide's settings load and its commands do what it says, against a real host."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from saaf_autogen.testing import RunningHost
from tests.conftest import ROOT, make_deployment

GUIDE = (ROOT / "docs" / "administration.md").read_text()


def documents(text: str) -> list[dict[str, Any]]:
    """All JSON objects of an output, one after another."""
    decoder, found = json.JSONDecoder(), []
    while (start := text.find("{")) >= 0:
        value, length = decoder.raw_decode(text[start:])
        found.append(value)
        text = text[start + length :]
    return found


@pytest.mark.skipif(shutil.which("curl") is None, reason="the guide is told in curl")
def test_the_commands_of_the_guide_do_what_it_says(tmp_path: Path, nyc_file: Path) -> None:
    (client,) = re.findall(r"```yaml\nclients:\n(.*?)```", GUIDE, re.DOTALL)
    folder = make_deployment(tmp_path / "nyc", nyc_file)
    settings = (folder / "saaf.yaml").read_text()
    (folder / "saaf.yaml").write_text(settings.replace("\nclients:\n", f"\nclients:\n{client}", 1))
    with RunningHost(folder) as host:
        script = "\n".join([f"SAAF={host.url}", *re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    told = documents(done.stdout)
    group, found, patched, stale, made, secret, grant, declared, access, why, *rest = told
    connections, keys, audit, *exported = rest
    assert group["scopes"] == ["semantic:read", "warehouse:query"]
    assert [user["username"] for user in found["data"]] == ["bea"]
    assert patched["attributes"] == {"carrier": "UA", "base": "EWR"}
    assert (stale["status"], stale["code"]) == (412, "precondition_failed")
    assert made["client_secret"] != secret["client_secret"]
    assert grant["state"] == "active"
    assert declared["origin"] == "declared"
    assert declared["place"].startswith("saaf.yaml:")
    seen = {each["id"]: each for each in access["data"]}
    assert (seen["analyst"]["seen"], seen["analyst"]["grants"]) == ("full", ["all-flights"])
    (bea,) = [each for each in access["data"] if each["kind"] == "user"]
    assert (bea["seen"], bea["grants"]) == ("masked", ["pilots-own-flights"])
    assert why["explanation"]["allowed"] is False
    assert connections == {"data": [], "next_cursor": None}
    assert {key["state"] for key in keys["data"]} == {"current", "next"}
    assert audit["data"][0]["changes"]["name"] == {"from": "Bea Lee", "to": "Bea M. Lee"}
    assert [entry["action"] for entry in exported][:2] == ["iam.create_group", "iam.create_user"]
    assert not [each for each in told if each.get("status", 0) >= 400 and each is not stale]
