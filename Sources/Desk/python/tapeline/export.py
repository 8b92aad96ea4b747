"""What all exports share: the folder that is complete or absent, and the manifest in it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from . import times
from .columns import Batch
from .coverage import Coverage, Missing
from .errors import TapelineError
from .frames import synchronize
from .provenance import Provenance
from .selection import Selection
from .version import __version__

FILES_MAX = 100_000
"""The most files of one export."""
MANIFEST = "manifest.json"
SNAPSHOT = (
    "This is a snapshot. Of a database it has what was stored before snapshot_at, by the clock of the machine"
    " that made it, and of a recording what the file had. Nothing updates it: corrections and cancels of"
    " trades, filled gaps and new versions of bars that came later are not in it."
)


@dataclass(frozen=True)
class Export:
    """A folder that was written. `rows`: how many are in it. `manifest`: what its manifest.json says."""

    folder: str
    rows: int
    manifest: dict[str, Any]

    def __repr__(self) -> str:
        return f"<{self.rows} rows in {self.folder}>"


class Folder:
    """The folder of an export. It is written beside its place, and moved there when all of it is on the
    disk. After an error nothing is left."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(os.fspath(folder))
        self.work = f"{self.path}.{os.getpid()}.new"
        self.files: list[dict[str, Any]] = []
        self._is_made = False

    @property
    def spool(self) -> str:
        """A folder for rows that are sorted. It is not part of the export."""
        return os.path.join(self.work, ".spool")

    def __enter__(self) -> Folder:
        if os.path.lexists(self.path):
            raise TapelineError(f"{self.path} is there already: remove it, or name another folder")
        try:
            os.mkdir(self.work)
            self._is_made = True
            os.mkdir(self.spool)
        except FileExistsError:
            raise TapelineError(
                f"{self.work} is there already: remove it if no other export is writing it") from None
        except OSError as error:
            raise TapelineError(f"cannot write {self.path}: {error.strerror}") from None
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._is_made:
            shutil.rmtree(self.work, ignore_errors=True)
        if isinstance(error, OSError):
            raise TapelineError(f"cannot write {self.path}: {error}") from error

    def file(self, *names: str) -> str:
        """Returns the path of a new file, and makes its folder."""
        if len(self.files) == FILES_MAX:
            raise TapelineError(
                f"the export has more than {FILES_MAX} files: select less time or fewer sources")
        os.makedirs(os.path.join(self.work, *names[:-1]), exist_ok=True)
        self.files.append({"path": "/".join(names), "rows": 0})
        return os.path.join(self.work, *names)

    def finish(self, form: str, told: Sequence[dict[str, Any]]) -> Export:
        """Writes the manifest, brings everything to the disk, and moves the folder to its place."""
        manifest = {
            "format": form, "version": 1, "by": f"tapeline {__version__}", "snapshot": SNAPSHOT,
            "selections": list(told), "files": self.files,
        }
        shutil.rmtree(self.spool)
        with open(os.path.join(self.work, MANIFEST), "x") as file:
            json.dump(manifest, file, indent=1)
            file.write("\n")
        for path, _, names in os.walk(self.work):
            for name in names:
                synchronize(os.path.join(path, name))
            synchronize(path)
        if os.path.lexists(self.path):
            raise TapelineError(f"{self.path} was made by another program meanwhile: name another folder")
        os.rename(self.work, self.path)
        self._is_made = False
        synchronize(os.path.dirname(self.path))
        return Export(self.path, sum(file["rows"] for file in self.files), manifest)


class Reading:
    """One selection while it is read: its rows in the order of time, and what the manifest says of it."""

    def __init__(self, selection: Selection, folder: Folder) -> None:
        self.selection, self._folder = selection, folder
        self.coverage = Coverage([])
        self.snapshot_at = time.time_ns()
        self._provenance = Provenance(selection.wanted.kind, selection.missing)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.selection.sorted_batches(self._folder.spool, self._found):
            self._provenance.add(batch)
            yield batch

    def _found(self, coverage: Coverage) -> None:
        self.coverage = coverage

    def told(self, **more: Any) -> dict[str, Any]:
        """Returns the part of the manifest."""
        wanted, read = self.selection.wanted, self._provenance.told()
        return {
            "origin": self.selection.origin.described(),
            "snapshot_at": times.text(self.snapshot_at),
            "selection": {
                "kind": read["kind"], "symbols": list(wanted.symbols), "sources": list(wanted.sources),
                "series": list(wanted.series), "start": _text(wanted.start), "end": _text(wanted.end),
                "as_of": _text(wanted.as_of), "history": wanted.history, "missing": self.selection.missing,
            },
            "coverage": {
                "is_complete": self.coverage.is_complete, "missing": [_missing(one) for one in self.coverage],
            },
            "provenance": read,
            **more,
        }


def _text(ns: int | None) -> str | None:
    return None if ns is None else times.text(ns)


def _missing(one: Missing) -> dict[str, Any]:
    return {**asdict(one), "start": _text(one.start), "end": _text(one.end)}


def checked(selections: Sequence[Selection]) -> Sequence[Selection]:
    """Returns the selections of an export, one of each kind of data at most."""
    kinds: list[str] = []
    for one in selections:
        if not isinstance(one, Selection):
            raise TapelineError(f"{one!r} is no selection: give desk.trades(...) or the like")
        if one.wanted.kind in kinds:
            raise TapelineError(
                f"two selections of {one.wanted.kind}: one can have several symbols, sources and series")
        kinds.append(one.wanted.kind)
    if not kinds:
        raise TapelineError("an export needs a selection, such as desk.trades(...)")
    return selections
