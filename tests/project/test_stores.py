from __future__ import annotations

from pathlib import Path

from saaf_autogen.client import Client
from tests.conftest import make_deployment


async def test_the_stores_are_private_in_a_folder_that_others_may_read(
    tmp_path: Path, nyc_file: Path
) -> None:
    folder = make_deployment(tmp_path / "nyc", nyc_file)
    state = folder / ".saaf"
    state.mkdir(mode=0o755)
    async with Client(folder) as saaf:
        assert await saaf.call("warehouse.query", sql="SELECT 1")
        modes = {
            path.name: path.stat().st_mode & 0o077
            for path in state.iterdir()
            if ".sqlite" in path.name and ".lock" not in path.name
        }
    assert "saaf.sqlite" in modes
    assert not any(modes.values()), modes
