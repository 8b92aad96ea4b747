"""How far sources and bars are, by the promises on the tape."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from .reading import TICK_STREAMS, Head
from .transport import Lane

_UNDEFINED = 2**63 - 1
_RETIREMENT = 2
# The names of sources that a provider's past is loaded into.
_HISTORY = re.compile(r".+-history(-[0-9]+)?")


@dataclass
class Watermarks:
    """The promises of sources: the last one of each in each partition of ticks, and in those of bars."""

    partitions: list[int]
    bar_partitions: list[int] | None
    of_ticks: dict[str, dict[int, int]] = field(default_factory=dict)
    of_streams: dict[str, dict[int, int]] = field(default_factory=dict)
    of_bars: dict[int, int] = field(default_factory=dict)
    retired: dict[str, int] = field(default_factory=dict)
    _epochs: dict[str, int] = field(default_factory=dict)

    def note(self, lane: Lane | Head) -> None:
        """Takes what the packets of a block, or one packet, promise."""
        newest = self._epochs[lane.source] = max(lane.epoch, self._epochs.get(lane.source, 0))
        if lane.kind == 3 and lane.flags & _RETIREMENT:
            # Another stream may have told of the resumption already.
            if lane.epoch == newest:
                self.retired[lane.source] = lane.epoch
        elif lane.epoch > self.retired.get(lane.source, lane.epoch):
            del self.retired[lane.source]
        if lane.watermark == _UNDEFINED:
            return
        if lane.kind == 2:
            self.of_bars[lane.partition] = max(lane.watermark, self.of_bars.get(lane.partition, 0))
            return
        table = self.of_ticks if lane.kind == 1 else self.of_streams
        own = table.setdefault(lane.source, {})
        own[lane.partition] = max(lane.watermark, own.get(lane.partition, 0))

    def reached(self, partition: int, source: str, selected: Sequence[str]) -> int:
        """The time up to which a partition's ticks of a source have come. A source that was not heard is a group, whose
        members nothing here names: then of all sources, or of the selected ones."""
        heard = {*self.of_ticks, *self.of_streams}
        if selected:
            heard.intersection_update(selected)
        if source in heard:
            heard = {source}
        left = [one for one in heard if one not in self.retired]
        if heard and not left:
            return _UNDEFINED
        return min((
            max(
                self.of_ticks.get(one, {}).get(partition, 0),
                self.of_streams.get(one, {}).get(partition % TICK_STREAMS, 0),
            )
            for one in left
        ), default=0)

    def present(self, sources: Sequence[str]) -> int | None:
        """The time up to which nothing of what is read is to come any more; None: not known."""
        told = []
        if self.partitions:
            told.append(self._ticks(sources))
        if self.bar_partitions is not None:
            found = [self.of_bars.get(partition, 0) for partition in self.bar_partitions]
            told.append(min(found, default=0) or None)
        return None if None in told else min((one for one in told if one is not None), default=None)

    def _ticks(self, sources: Sequence[str]) -> int | None:
        """The time up to which all sources that were heard, and are not retired, have given their ticks.

        A provider's past that is being loaded counts where nothing else does, or where it is asked for.
        """
        heard = {*self.of_ticks, *self.of_streams} - set(self.retired)
        present = {source for source in heard if not _HISTORY.fullmatch(source)} or heard
        told = [self._of(source) for source in (heard.intersection(sources) if sources else present)]
        return min((one for one in told if one is not None), default=None) if None not in told else None

    def _of(self, source: str) -> int | None:
        ticks, streams = self.of_ticks.get(source, {}), self.of_streams.get(source, {})
        found = [
            max(ticks.get(partition, 0), streams.get(partition % TICK_STREAMS, 0))
            for partition in self.partitions
        ]
        return min(found) or None if found else None
