"""What goes wrong, in a line for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .coverage import Missing


NOTHING_STORED = "nothing of it is stored"


class TapelineError(Exception):
    """Any error of this package. Its text is one line that says what to do."""


class NotReachable(TapelineError):
    """There is no stack, database or file where one was looked for."""


class NotKnown(TapelineError):
    """What a bar or a book was at that time cannot be told."""


class DamagedTape(TapelineError):
    """Bytes of a recording are not what they must be."""


@dataclass
class TapeHole(TapelineError):
    """Data of the selection are missing. `missing` lists the stretches.

    The same selection with `missing="mark"` reads what there is, and its `coverage` lists them, too."""

    missing: Sequence[Missing]

    SHOWN = 3

    def __str__(self) -> str:
        from . import times

        shown = "; ".join(str(one) for one in self.missing[: self.SHOWN])
        more = len(self.missing) - self.SHOWN
        # Of what is not stored at all there is nothing to read.
        is_all = all(one.cause == NOTHING_STORED for one in self.missing)
        begins = [one.end for one in self.missing if one.is_beginning and one.end is not None]
        what = "data of this selection are missing"
        if begins and len(begins) == len(self.missing):
            what = f"the tape begins at {times.text(max(begins))}, after the start of this selection"
        return (
            f"{what}: {shown}"
            + (f"; and {more} more stretches" if more > 0 else "")
            + ("" if is_all else " (missing='mark' reads what there is, and lists the rest in .coverage)")
        )


@dataclass
class Stale(TapelineError):
    """Latest values are older than was asked for, or unknown. `values` has symbol, kind, source and the reason of
    each."""

    seconds: float
    values: Sequence[tuple[str, str, str | None, str]]

    SHOWN = 3

    def __str__(self) -> str:
        shown = "; ".join(f"{symbol} {kind} {source or '-'}: {why}" for symbol, kind, source, why in
                          self.values[: self.SHOWN])
        more = len(self.values) - self.SHOWN
        return (f"not all values are at most {self.seconds:g} s old: {shown}"
                + (f"; and {more} more" if more > 0 else ""))


@dataclass
class Misfit(TapelineError):
    """Rows do not fit into the format of an export, and nothing was written. `left_out` has each reason with
    the number of rows and the first one.

    The same export with `unfit="mark"` leaves them out, and its manifest lists them."""

    form: str
    left_out: Sequence[dict[str, Any]]

    def __str__(self) -> str:
        told = "; ".join(f"{one['rows']} with {one['reason']}, first {one['first']}" for one in self.left_out)
        return f"rows do not fit into {self.form}: {told} (unfit='mark' leaves them out, and counts them)"
