"""The guide's settings are settings, its tables are whole, and its commands give tokens."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from saaf_autogen.settings import ClientSettings
from saaf_autogen.settings.identity import OAuthSettings, SignInSettings
from saaf_autogen.testing import RunningHost
from tests.conftest import ROOT, make_deployment

GUIDE = (ROOT / "docs" / "authorization-server.md").read_text()
DECLARED, SETTINGS = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL))


def test_what_the_guide_declares_can_be_declared() -> None:
    clients = [ClientSettings.model_validate(each) for each in DECLARED["clients"]]
    assert [client.id for client in clients] == ["shop", "gateway"]
    assert OAuthSettings.model_validate(SETTINGS["oauth"]).registration == "off"
    assert SignInSettings.model_validate(SETTINGS["sign_in"]).passkeys


@pytest.mark.parametrize(
    ("section", "model"), [("oauth", OAuthSettings), ("sign_in", SignInSettings)]
)
def test_every_setting_is_told(section: str, model: type[OAuthSettings | SignInSettings]) -> None:
    table = GUIDE.split(f"| `{section}` | default |", 1)[1].split("\n\n", 1)[0]
    assert set(re.findall(r"(?m)^\| `(\w+)` \|", table)) == set(model.model_fields)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the guide is told in curl")
def test_the_commands_of_the_guide_give_tokens(tmp_path: Path, nyc_file: Path) -> None:
    folder = make_deployment(tmp_path / "nyc", nyc_file)
    with RunningHost(folder) as host:
        script = "\necho\n".join(re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"SAAF={host.url}\n{script}"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    plain, narrow, device = map(json.loads, done.stdout.split("\n"))
    assert (plain["scope"], plain["expires_in"]) == ("warehouse:query", 300)
    assert narrow["authorization_details"][0]["rows"] == {"carrier": {"eq": "DL"}}
    assert device["verification_uri"] == f"{host.url}/device"
