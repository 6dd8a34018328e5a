from __future__ import annotations

from tests.cli.conftest import Saaf


def states(text: str) -> list[tuple[str, str]]:
    return [(line.split()[0], line.split()[1]) for line in text.splitlines()]


def test_keys_are_listed_and_rotated(saaf: Saaf) -> None:
    before = saaf("keys", "list").stdout
    assert states(before) == [(a, s) for a in ("ES256", "RS256") for s in ("current", "next")]
    rotated = saaf("keys", "rotate")
    assert rotated.returncode == 0, rotated.stderr
    assert rotated.stdout == saaf("keys", "list").stdout
    assert sorted(states(rotated.stdout)) == [
        (algorithm, state)
        for algorithm in ("ES256", "RS256")
        for state in ("current", "next", "retired")
    ]
    before_kids = {line.split()[-1] for line in before.splitlines()}
    after = saaf("keys", "rotate", "--compromised").stdout
    assert len(after.splitlines()) == 4
    assert before_kids.isdisjoint(line.split()[-1] for line in after.splitlines())
    assert "iam.rotate_keys" in saaf("audit", "list").stdout
