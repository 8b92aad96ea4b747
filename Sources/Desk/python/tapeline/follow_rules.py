"""The rules of a follower: which copy reads which part of the tape, how far each part was taken, and where a batch
ends. Nothing here asks a server or a clock."""

from __future__ import annotations

import bisect
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .coverage import Missing
from .reading import Head, Position
from .tape import VALUES

Place = tuple[str, int]
"""A part of the tape: "ticks" or "bars", and the partition."""


# ---- leases

@dataclass(frozen=True)
class Lease:
    """A part and the copy that has it; None: it is free, or its lease has ended by the clock of the database."""

    place: Place
    owner: str | None


def share(copy: str, copies: Collection[str], places: int) -> int:
    """How many parts a copy is to have: as many as each other one, or one more for the first ones by name."""
    order = sorted({*copies, copy})
    number, more = divmod(places, len(order))
    return number + (order.index(copy) < more)


def moves(copy: str, copies: Collection[str], leases: Sequence[Lease]) -> tuple[list[Place], list[Place]]:
    """Returns the parts that a copy is to claim, and those that it is to let go, so that each has its share."""
    mine = [one.place for one in leases if one.owner == copy]
    free = [one.place for one in leases if one.owner is None]
    wanted = share(copy, copies, len(leases))
    return free[: max(0, wanted - len(mine))], mine[wanted:]


@dataclass(frozen=True)
class Held:
    """A part that a copy has: the epoch of its lease, when its stream was made, and how far it is committed."""

    epoch: int
    created: int
    reached: Reached


class Ledger(Protocol):
    """The rows of a follower, as one copy changes them. A lease ends by the clock of the database."""

    def renew(self) -> dict[Place, Held]:
        """Makes the leases of this copy longer. Returns what it still has."""

    def copies(self) -> list[str]:
        """Says that this copy is there. Returns all that are."""

    def leases(self) -> list[Lease]:
        """All parts, in one order for all copies."""

    def claim(self, place: Place) -> Held | None:
        """Takes a free part, with a higher epoch; None: another copy was first."""

    def let_go(self, place: Place) -> None:
        """Frees a part of this copy. Its position stays."""


class Copy:
    """One copy of a follower: what it has, and takes its share of."""

    def __init__(self, name: str, ledger: Ledger) -> None:
        self.name, self._ledger = name, ledger
        self.held: dict[Place, Held] = {}

    @property
    def epochs(self) -> dict[Place, int]:
        return {place: one.epoch for place, one in self.held.items()}

    def turn(self) -> bool:
        """Renews, claims and lets go. Call it often within a lease, and with no batch open. Returns whether it has
        other parts, or leases, than before."""
        before = self.epochs
        self.held = self._ledger.renew()
        claims, rest = moves(self.name, self._ledger.copies(), self._ledger.leases())
        for place in rest:
            self._ledger.let_go(place)
            self.held.pop(place, None)
        for place in claims:
            if found := self._ledger.claim(place):
                self.held[place] = found
        return self.epochs != before


# ---- positions

@dataclass(frozen=True)
class Reached:
    """How far a part was taken: its last packet, and of each source the highest epoch and the last ordinal.

    A source that was on the tape when the follower began is there from then on, with the epoch 0 and the ordinal before
    the first one that was stored. One that comes up later begins with 1."""

    position: Position | None = None
    sources: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def has(self, sequence: int) -> bool:
        """Whether the packet of a sequence was taken."""
        return self.position is not None and sequence <= self.position.sequence

    def lost(self, head: Head) -> tuple[int, int] | None:
        """The ordinals of a source that came up later which are missing before its first packet. The decoder finds
        those of the others."""
        is_known = head.source in self.sources or head.source == VALUES
        return None if is_known or head.first_ordinal <= 1 else (1, head.first_ordinal - 1)

    def after(self, head: Head, position: Position) -> Reached:
        """How far the part is after a packet."""
        epoch, last = self.sources.get(head.source, (0, head.first_ordinal - 1))
        # A packet without ticks proves nothing of the ordinals before it.
        last = max(last, head.first_ordinal + head.ticks - 1) if head.ticks else last
        return Reached(position, {**self.sources, head.source: (max(epoch, head.epoch), last)})


# ---- batches

@dataclass
class Fed:
    """A packet that was decoded: how far its part is after it, where its rows of each kind end, and what is missing
    before it."""

    place: Place
    reached: Reached
    ends: tuple[int, ...]
    holes: list[Missing] = field(default_factory=list)


@dataclass
class Piece:
    """Packets that are one batch: how far parts are after it, and the range of its rows of each kind. What is
    missing is before all of it."""

    holes: list[Missing]
    begins: tuple[int, ...]
    ends: tuple[int, ...]
    reached: dict[Place, Reached] = field(default_factory=dict)

    @property
    def has_rows(self) -> bool:
        return self.begins != self.ends


def put(holes: Iterable[tuple[int, Missing]], fed: Sequence[Fed], kind: int) -> None:
    """Gives what rows say that is missing to the packets that these rows of a kind are of."""
    ends = [one.ends[kind] for one in fed]
    for row, missing in holes:
        fed[bisect.bisect_right(ends, row)].holes.append(missing)


def pieces(fed: Sequence[Fed], kinds: int) -> list[Piece]:
    """Divides packets into batches: one before which something is missing begins a batch, so that what comes
    before is committed, and it itself is not until that was accepted."""
    found: list[Piece] = []
    ends = (0,) * kinds
    for one in fed:
        if one.holes or not found:
            found.append(Piece(one.holes, ends, ends))
        found[-1].reached[one.place] = one.reached
        found[-1].ends = ends = one.ends
    return found
