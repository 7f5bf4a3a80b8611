"""The file of an index of runs: an SQLite database that is only a cache, so whatever is wrong with it, runs are read.

It lies in the folder of the runs, or in the cache folder where that cannot be written.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastrun.config.paths import cache
from fastrun.report.packing import Packing
from fastrun.storage.format import FORMAT

NAME = ".runs.sqlite"

_APPLICATION = 0x66737472  # marks the database as ours
_VERSION = 1000 * FORMAT + 3  # to be raised with each change of what a record holds or how it is read
_LOCK_SECONDS = 0.5

Row = tuple[str, str, Sequence[Any]]  # the path below the folder, the stamp of its files, the values


class IndexFile:
    """An open index.

    Args:
        path: the database.
        connection: the connection to it.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path, self.connection, self.packing = path, connection, Packing({})

    @classmethod
    def open(cls, folder: Path) -> IndexFile | None:
        """Open the index of the runs below a folder, or create it; None where there can be none.

        A database that is damaged, or of another version of fastrun, is replaced. One that is not ours, locked or
        reached by a link is left alone.
        """
        path = _path(folder)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_symlink():
                return None
            return cls(path, _connected(path))
        except sqlite3.OperationalError:
            return None
        except sqlite3.DatabaseError:  # damaged
            with suppress(OSError, sqlite3.Error):
                path.unlink()
                return cls(path, _connected(path))
        except OSError:
            pass
        return None

    def read(self) -> dict[str, tuple[str, Sequence[Any]]]:
        """Return the stamp and the values of each run, by its path below the folder; of those that can be read."""
        try:
            bases = self.connection.execute("SELECT id, content FROM bases").fetchall()
            rows = self.connection.execute("SELECT path, stamp, content FROM runs").fetchall()
        except (sqlite3.Error, UnicodeDecodeError):
            with suppress(OSError):
                self.path.unlink()  # the next call creates it anew
            return {}
        self.packing = Packing({id_: base for id_, text in bases if isinstance(base := _parsed(text), dict)})
        unpack = self.packing.unpack
        found: dict[str, tuple[str, Sequence[Any]]] = {}
        for path, stamp, content in rows:
            with suppress(ValueError, TypeError, LookupError):  # a row that is damaged
                found[path] = stamp, [unpack(value) for value in json.loads(content)]
        return found

    def write(self, rows: Iterable[Row], gone: Iterable[str] = ()) -> None:
        """Keep rows in place of those before, and forget those of runs that are gone; where that is possible."""
        packed = [
            (path, stamp, json.dumps([self.packing.pack(value) for value in values], default=str))
            for path, stamp, values in rows
            if _is_text(path)
        ]
        bases = [(number, json.dumps(self.packing.bases[number], default=str)) for number in self.packing.new]
        with suppress(sqlite3.Error), self.connection:
            self.connection.executemany("INSERT OR REPLACE INTO bases VALUES (?, ?)", bases)
            self.connection.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?)", packed)
            self.connection.executemany("DELETE FROM runs WHERE path = ?", ((path,) for path in gone))
            self.packing.new.clear()

    def close(self) -> None:
        """Close the connection."""
        with suppress(sqlite3.Error):
            self.connection.close()


def _path(folder: Path) -> Path:
    """Return the file of the index for a folder."""
    if os.access(folder, os.W_OK):
        return folder / NAME
    mark = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:24]
    return cache() / "runs" / f"{mark}.sqlite"


def _connected(path: Path) -> sqlite3.Connection:
    """Return a connection to a database of this version.

    Raises:
        sqlite3.OperationalError: it is locked, not ours, or cannot be written.
        sqlite3.DatabaseError: it is damaged.
    """
    connection = sqlite3.connect(path, timeout=_LOCK_SECONDS)
    try:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise sqlite3.OperationalError("the database of another program")
        connection.execute("PRAGMA synchronous = OFF")  # a cache need not survive a loss of power
        if (application, version) != (_APPLICATION, _VERSION):
            _create(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DROP TABLE IF EXISTS runs")
        connection.execute("DROP TABLE IF EXISTS bases")
        connection.execute("CREATE TABLE runs (path TEXT PRIMARY KEY, stamp TEXT, content TEXT)")
        connection.execute("CREATE TABLE bases (id INTEGER PRIMARY KEY, content TEXT)")
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {_VERSION}")


def _is_text(path: str) -> bool:
    """Say whether a path is text; the names of files may be any bytes."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parsed(content: Any) -> Any:
    """Return what a row holds; None if it is damaged."""
    with suppress(ValueError, TypeError):
        return json.loads(content)
    return None
