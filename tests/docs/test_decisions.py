from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

FOLDER = ROOT / "docs" / "decisions"
PAGES = sorted(file for file in FOLDER.glob("*.md") if file.name != "README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda file: file.stem)
def test_a_decision_says_what_was_so_what_was_decided_and_what_follows(page: Path) -> None:
    text = page.read_text()
    assert text.startswith("# ")
    places = [text.find(f"\n**{part}.** ") for part in ("Context", "Decision", "Consequences")]
    assert -1 not in places
    assert places == sorted(places)


def test_the_list_of_decisions_is_whole() -> None:
    listed = re.findall(r"\]\(([\w-]+\.md)\)", (FOLDER / "README.md").read_text())
    assert sorted(listed) == [page.name for page in PAGES]
