from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from saaf_autogen.cli.main import app


def saaf(folder: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--project", str(folder)])
    assert done.exit_code == 0, done.output
    return done.stdout


def states(text: str) -> list[tuple[str, str]]:
    return [(line.split()[0], line.split()[1]) for line in text.splitlines()]


def kids(text: str) -> set[str]:
    return {line.split()[-1] for line in text.splitlines()}


def test_keys_are_listed_and_rotated(tmp_path: Path) -> None:
    (tmp_path / "saaf.yaml").write_text("version: 1\nname: keys\n")
    before = saaf(tmp_path, "keys", "list")
    assert states(before) == [(a, s) for a in ("ES256", "RS256") for s in ("current", "next")]
    rotated = saaf(tmp_path, "keys", "rotate")
    assert rotated == saaf(tmp_path, "keys", "list")
    assert sorted(states(rotated)) == [
        (algorithm, state)
        for algorithm in ("ES256", "RS256")
        for state in ("current", "next", "retired")
    ]
    assert kids(before) < kids(rotated)
    after = saaf(tmp_path, "keys", "rotate", "--compromised")
    assert len(kids(after)) == 4
    assert kids(after).isdisjoint(kids(rotated))
    assert "iam.rotate_keys" in saaf(tmp_path, "audit", "list")
