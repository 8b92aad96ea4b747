"""Where rows come from: their number, the ordinals of each source and partition, and a checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from .columns import Batch, Field


class Provenance:
    """Sums up the rows of one reading. It keeps nothing of them."""

    def __init__(self, kind: str, fields: Sequence[Field]) -> None:
        self.kind, self.rows = kind, 0
        self._sums = [hashlib.sha256() for _ in fields]
        self._lanes: dict[tuple[str, int], list[int]] = {}

    def add(self, batch: Batch) -> None:
        """Counts the rows of a batch, whose prices are still whole numbers."""
        self.rows += len(batch)
        for checksum, column in zip(self._sums, batch.columns):
            checksum.update(column.canonical())
        if self.kind == "bars":
            return
        sources: Sequence[str] = batch["source"]
        for source, partition, ordinal in zip(sources, batch["partition"], batch["ordinal"]):
            lane = self._lanes.setdefault((source, partition), [ordinal, ordinal, 0])
            lane[0], lane[1], lane[2] = min(lane[0], ordinal), max(lane[1], ordinal), lane[2] + 1

    def told(self) -> dict[str, Any]:
        """Returns it as `Selection.provenance` has it."""
        total = hashlib.sha256(b"".join(checksum.digest() for checksum in self._sums))
        return {
            "kind": self.kind,
            "rows": self.rows,
            "checksum": total.hexdigest(),
            "lanes": [
                {"source": source, "partition": partition, "first": first, "last": last, "rows": count}
                for (source, partition), (first, last, count) in sorted(self._lanes.items())
            ],
        }
