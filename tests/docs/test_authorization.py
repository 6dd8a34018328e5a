"""The guide's rules are rules, and its commands say what it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Principal
from saaf_autogen.cli.main import app
from saaf_autogen.settings import DenySettings, GrantSettings
from saaf_autogen.settings.model import GrantTerms
from tests.conftest import ROOT, make_deployment

GUIDE = (ROOT / "docs" / "authorization.md").read_text()
EXAMPLES = re.findall(r"```sh\n(saaf explain.*?)\n```\n\n```text\n(.*?)```", GUIDE, re.DOTALL)


def rules(key: str) -> list[dict[str, Any]]:
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)]
    return [rule for block in blocks for rule in block.get(key, [])]


def test_every_rule_of_the_guide_is_one() -> None:
    grants = [GrantSettings.model_validate(rule) for rule in rules("grants")]
    deny = [DenySettings.model_validate(rule) for rule in rules("deny")]
    assert (len(grants), len(deny)) == (3, 2)
    assert Policy(grants, deny, {}).resource_access(
        Principal(issuer="local", subject="client:x"), "sheet://a/b", "read"
    ).allowed is False  # fmt: skip


def test_the_guide_tells_of_every_key_of_a_grant() -> None:
    told = set(re.findall(r"`(\w+)`", "".join(re.findall(r"(?m)^\| (`.*?) \|", GUIDE))))
    assert told == {*GrantTerms.model_fields, "tenant"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, nyc_file: Path) -> Path:
    made = make_deployment(tmp_path_factory.mktemp("guide") / "nyc", nyc_file)
    # The sample as it is, without the grant that tests add.
    text = (made / "saaf.yaml").read_text()
    (made / "saaf.yaml").write_text(re.sub(r"\n  - id: notes\n(    .*\n)+", "\n", text))
    return made


@pytest.mark.parametrize(("command", "shown"), EXAMPLES)
def test_every_command_of_the_guide_says_what_it_shows(
    folder: Path, command: str, shown: str
) -> None:
    program, *arguments = shlex.split(command)
    environ = {"SAAF_PROJECT": str(folder), "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    done = CliRunner(env=environ).invoke(app, arguments)
    assert program == "saaf"
    assert done.output == shown
    assert done.exit_code == (0 if shown.startswith("✓") else 1)


def test_the_guide_shows_a_yes_and_a_no() -> None:
    assert [shown[0] for _, shown in EXAMPLES] == ["✓", "✗"]
