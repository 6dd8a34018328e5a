from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from saaf_autogen.cli.main import app
from saaf_autogen.cli.serve import offer_first_admin
from saaf_autogen.errors import SaafError
from saaf_autogen.project import Project, read_deployment
from saaf_autogen.testing import RunningHost

PASSWORD = "mountain tulip engine 7"
SETTINGS = """
version: 1
name: acme
tenants: [default, other]
groups:
- {id: analysts, scopes: [warehouse:query]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "saaf.yaml").write_text(SETTINGS)
    return tmp_path


@dataclass(frozen=True)
class Done:
    stdout: str
    stderr: str


def saaf(folder: Path, *arguments: str, said: str = "", fails: bool = False) -> Done:
    """The command, in this process: starting one takes seconds."""
    done = CliRunner().invoke(app, [*arguments, "--project", str(folder)], input=said)
    told = str(done.exception) if isinstance(done.exception, SaafError) else ""
    assert done.exit_code == (1 if fails else 0), (done.output, done.exception)
    assert bool(told) == fails, done.exception
    return Done(done.stdout, done.stderr + told)


def changes(folder: Path) -> list[tuple[str, str, str]]:
    lines = saaf(folder, "audit", "export").stdout.splitlines()
    entries = [json.loads(line) for line in lines]
    assert PASSWORD not in str(entries)
    return [(each["door"], each["subject"], each["action"]) for each in entries]


def test_users_are_made_listed_grouped_disabled_and_removed(folder: Path) -> None:
    saaf(folder, "users", "add", "Ann", "--name", "Ann Lee", "--group", "analysts", said=PASSWORD)
    invited = saaf(folder, "users", "invite", "bob", "--attribute", "region=EU")
    assert re.search(
        r"^http://127\.0\.0\.1:8000/invitation\?token=invite_\S{43}$", invited.stdout, re.M
    )
    listed = saaf(folder, "users", "list").stdout
    assert re.search(r"^usr_\w{24}  ann +analysts$", listed, re.M)
    assert re.search(r"^usr_\w{24}  bob$", listed, re.M)
    assert saaf(folder, "groups", "member", "analysts", "bob").stdout == "bob is in analysts.\n"
    assert saaf(folder, "users", "groups", "bob").stdout == (
        "group  analysts\nscope  warehouse:query\n"
    )
    assert "analysts                 2 members    warehouse:query" in (
        saaf(folder, "groups", "list").stdout
    )
    saaf(folder, "groups", "member", "analysts", "ann", "--remove")
    saaf(folder, "users", "disable", "ANN")
    assert re.search(r"ann +\(disabled\)$", saaf(folder, "users", "list").stdout, re.M)
    saaf(folder, "users", "enable", "ann")
    assert "reset_" in saaf(folder, "users", "reset", "ann").stdout
    saaf(folder, "users", "remove", "bob", "--yes")
    assert "bob" not in saaf(folder, "users", "list").stdout
    told = changes(folder)
    assert {each[:2] for each in told} == {("system", "operator")}
    assert [each[2].removeprefix("iam.") for each in told] == [
        "create_user",
        "create_user",
        "invite_user",
        "add_member",
        "remove_member",
        "disable_user",
        "enable_user",
        "invite_user",
        "remove_user",
    ]


def test_what_cannot_be_done_to_users_is_told_in_a_line(folder: Path) -> None:
    for arguments, said, words in (
        (("users", "add", "ann"), "short", "15 to 256 characters"),
        (("users", "add", "ann", "--group", "nobody"), PASSWORD, "no group nobody"),
        (("users", "add", "ann", "--scope", "moon:land"), PASSWORD, "no scope moon:land"),
        (("users", "add", "a b"), PASSWORD, "no user name"),
        (("users", "invite", "ann", "--attribute", "region"), "", "NAME=VALUE"),
        (("users", "disable", "nobody"), "", "saaf users list"),
        (("users", "list", "--tenant", "nowhere"), "", "saaf.yaml has default, other"),
        (("groups", "add", "analysts"), "", "There is a group analysts already"),
        (("groups", "member", "nobody", "ann"), "", "no user"),
    ):
        done = saaf(folder, *arguments, said=said, fails=True)
        assert words in done.stderr
        assert PASSWORD not in done.stderr
    assert changes(folder) == [], "what failed was not done"


def test_users_of_a_tenant_are_its_own(folder: Path) -> None:
    other = ("--tenant", "other")
    saaf(folder, "groups", "add", "staff", "--scope", "rag:read", *other)
    saaf(folder, "users", "invite", "ann", "--group", "staff", *other)
    assert saaf(folder, "users", "list").stdout == ""
    assert "staff" not in saaf(folder, "groups", "list").stdout
    saaf(folder, "users", "disable", "ann", fails=True)
    assert "ann" in saaf(folder, "users", "list", *other).stdout


def test_a_host_prints_a_token_for_the_first_admin_while_there_is_none(folder: Path) -> None:
    saaf(folder, "users", "add", "ann", "--admin", said=PASSWORD)
    assert "scope  iam:admin" in saaf(folder, "users", "groups", "ann").stdout
    with RunningHost(folder) as host:
        assert "setup" not in host.output()
    saaf(folder, "users", "disable", "ann")
    with RunningHost(folder) as host:
        found = re.search(r"open (\S+/setup)\s+and use this token, once: (\S+)", host.output())
    assert found
    assert found[1] == f"{host.url}/setup"
    assert re.fullmatch(r"setup_\S{43}", found[2])


async def test_a_host_whose_users_come_from_elsewhere_prints_no_token(folder: Path) -> None:
    (folder / "saaf.yaml").write_text(SETTINGS + "oauth: {enabled: false}\n")
    project = await Project.open(read_deployment(folder))
    printed = io.StringIO()
    console = Console(file=printed)
    await offer_first_admin(console, project)
    await project.close()
    assert printed.getvalue() == ""
