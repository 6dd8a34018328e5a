"""Opens DuckDB so that nothing but the declared data can be reached, and locks it so."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from saaf_autogen.errors import ConfigurationError

if TYPE_CHECKING:
    import duckdb

__all__ = ["DuckDBSource", "connect"]

_CONFIGURATION: Mapping[str, str] = {
    "access_mode": "read_only",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",
    # Nothing of a query is spilled to disk: past the memory limit it fails.
    "temp_directory": "",
}
_WILD = re.compile(r"[*?\[]")
_READERS = {
    ".parquet": "read_parquet({}, union_by_name = true)",
    ".csv": "read_csv({}, union_by_name = true{})",
    ".tsv": "read_csv({}, union_by_name = true, delim = '\\t'{})",
    ".csv.gz": "read_csv({}, union_by_name = true{})",
}


@dataclass(frozen=True)
class DuckDBSource:
    """What a warehouse reads: one DuckDB file, or tables made of Parquet and CSV files.

    Attributes:
        name: the warehouse; with ``files``, the name of the catalog too.
        path: the DuckDB file, or None with ``files``.
        files: a path or glob pattern, absolute, by the name of the table in ``main``.
        memory_limit: of the engine as a whole, such as ``1GB``.
    """

    name: str
    path: Path | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    memory_limit: str = "1GB"


def connect(source: DuckDBSource) -> tuple[duckdb.DuckDBPyConnection, str]:
    """A read-only, locked connection, and the name of its catalog.

    Raises:
        ConfigurationError: a file is missing or cannot be opened so.
    """
    if source.path is not None:
        if not source.path.is_file():
            raise ConfigurationError(
                f"The warehouse {source.name} has no file at {source.path}.",
                remedy="Build the sample, or mend `path` of the warehouse.",
            )
        return _open(source, source.path)
    # Views over the files, in a database of its own: read-only like any other from here on.
    with tempfile.TemporaryDirectory(prefix="saaf-") as folder:
        path = Path(folder) / f"{source.name}.duckdb"
        _make_views(source, path)
        return _open(source, path)


def _open(source: DuckDBSource, path: Path) -> tuple[duckdb.DuckDBPyConnection, str]:
    import duckdb

    settings = {**_CONFIGURATION, "memory_limit": source.memory_limit}
    if not source.files:
        settings["enable_external_access"] = "false"
    try:
        connection = duckdb.connect(str(path), config=dict(settings))
        row = connection.execute(
            "SELECT current_database(), current_setting('lock_configuration')"
        ).fetchone()
        catalog, locked = row or ("", False)
        if not locked:
            _lock(connection, source)
    except duckdb.Error as error:
        raise ConfigurationError(
            f"The warehouse {source.name} cannot be opened read-only: {type(error).__name__}.",
            remedy="Close other programs that write to the file, and check `memory_limit`; "
            "one process opens a file under one configuration.",
        ) from error
    return connection, str(catalog)


def _lock(connection: duckdb.DuckDBPyConnection, source: DuckDBSource) -> None:
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    if source.files:
        wild = [pattern for pattern in source.files.values() if _WILD.search(pattern)]
        plain = [pattern for pattern in source.files.values() if not _WILD.search(pattern)]
        folders = sorted({f"{_folder(pattern)}/" for pattern in wild})
        connection.execute(f"SET GLOBAL allowed_directories = {_list(folders)}")
        connection.execute(f"SET GLOBAL allowed_paths = {_list(plain)}")
        connection.execute("SET GLOBAL enable_external_access = false")
    connection.execute("SET GLOBAL lock_configuration = true")


def _make_views(source: DuckDBSource, path: Path) -> None:
    import duckdb

    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table, pattern in source.files.items():
            try:
                connection.execute(f"CREATE VIEW {_name(table)} AS {_reads(connection, pattern)}")
            except duckdb.Error as error:
                raise ConfigurationError(
                    f"The table {table} of the warehouse {source.name} cannot be read from "
                    f"{pattern}: {type(error).__name__}.",
                    remedy="Are the files there, readable, and of one shape?",
                ) from error


def _reads(connection: duckdb.DuckDBPyConnection, pattern: str) -> str:
    suffix = next((each for each in sorted(_READERS, reverse=True) if pattern.endswith(each)), None)
    if suffix is None:
        raise ConfigurationError(
            f"Files such as {pattern} cannot be read.",
            remedy=f"Name files that end in {', '.join(sorted(_READERS))}.",
        )
    reader, text = _READERS[suffix], _text(pattern)
    if suffix == ".parquet":
        return f"SELECT * FROM {reader.format(text)}"  # noqa: S608 - quoted, of the settings
    # A CSV file says nothing of types: what is guessed now holds for every query.
    guess = f"DESCRIBE SELECT * FROM {reader.format(text, '')}"  # noqa: S608 - as above
    types = ", ".join(
        f"{_text(str(row[0]))}: {_text(str(row[1]))}"
        for row in connection.execute(guess).fetchall()
    )
    pinned = f", types = {{{types}}}"
    return f"SELECT * FROM {reader.format(text, pinned)}"  # noqa: S608 - as above


def _folder(pattern: str) -> str:
    """The deepest folder that holds all that a pattern may match."""
    parts = pattern.split("/")
    first = next(index for index, part in enumerate(parts) if _WILD.search(part))
    return "/".join(parts[:first])


def _list(items: list[str]) -> str:
    return f"[{', '.join(_text(item) for item in items)}]"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
