"""What a process has answered of latest values, so that no later answer is older."""

from __future__ import annotations

import operator
import threading
from collections.abc import Sequence
from typing import Any

KEYS_MAX = 262_144
"""Of how many values a process remembers the highest ordinal that it has answered. Beyond it, the value
that was not asked for for the longest time is forgotten: its next answer is taken as the first one."""

_Key = tuple[str | bytes, ...]


class Memory:
    """The highest place that was answered of each value. A place is an ordinal, or the order of a bar. After a tape
    was made again, ordinals begin lower: what the database had before gives way to what came on the tape after it."""

    def __init__(self, most: int = KEYS_MAX) -> None:
        self._most, self._places = most, dict[_Key, Any]()
        self._orders = dict[_Key, bytes]()
        """Of places that came from the database: up to where it had the tape."""
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._places)

    def admit(
        self, keys: Sequence[_Key], places: Sequence[Any], orders: Sequence[bytes] = (),
        filled: Sequence[bytes] = (),
    ) -> dict[int, Any]:
        """Notes the places of values, no two of the same key, with their orders on the tape, and which are `filled`
        from the database. Returns the higher places that were answered before, by the values' numbers."""
        known = self._places
        with self._lock:
            before = list(map(known.pop, keys, places))
            lower = {row: before[row] for row, is_lower in enumerate(map(operator.gt, before, places)) if is_lower}
            known.update(zip(keys, map(max, before, places) if lower else places))
            if self._orders or any(filled):
                self._follow(keys, places, orders, filled, lower)
            while len(known) > self._most:
                gone = next(iter(known))
                del known[gone]
                self._orders.pop(gone, None)
        return lower

    def _follow(
        self, keys: Sequence[_Key], places: Sequence[Any], orders: Sequence[bytes], filled: Sequence[bytes],
        lower: dict[int, Any],
    ) -> None:
        for row, (key, order, is_filled) in enumerate(zip(keys, orders, filled)):
            if row in lower:
                if is_filled or key not in self._orders or order <= self._orders[key]:
                    continue
                del lower[row]
                self._places[key] = places[row]
            if is_filled:
                self._orders[key] = order
            else:
                self._orders.pop(key, None)


MEMORY = Memory()
"""What this process has answered, whatever desk was asked."""
