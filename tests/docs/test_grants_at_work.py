"""The page on grants tells what the sample deployment answers today."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import make_deployment
from tests.docs.grants_at_work import PAGE, refreshed


async def test_the_page_on_grants_shows_what_the_deployment_answers(
    tmp_path: Path, nyc_file: Path
) -> None:
    folder = make_deployment(tmp_path / "nyc", nyc_file)
    assert await refreshed(folder) == PAGE.read_text()


def test_what_is_hidden_is_refused_in_the_words_for_what_never_was() -> None:
    told = re.findall(r"^\| (?:ua-)?analyst: `(.*)` \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    assert len(told) == 6
    for (hidden, one), (absent, other) in zip(told[::2], told[1::2], strict=True):
        names = [(set(re.findall(r"\w+", text))) for text in (hidden, absent)]
        (mine,), (theirs,) = names[0] - names[1], names[1] - names[0]
        assert one.split(" *")[0].replace(mine, theirs) == other.split(" *")[0]


def test_the_narrow_analyst_is_shown_nothing_of_other_airlines_or_of_aircraft() -> None:
    page = PAGE.read_text()
    metadata = page.split("## Metadata by SQL", 1)[1].split("\n## ", 1)[0]
    carriers = next(line for line in metadata.splitlines() if line.startswith("| carriers"))
    assert carriers.split("|")[3].strip() == "[UA]"
    results = page.split("ua-analyst: name", 1)[1].split("\n## ", 1)[0]
    assert "United" in results
    assert "JetBlue" not in results
