"""The heads of lanes: the last packets of sources on the tape."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .errors import NotReachable, TapelineError
from .reading import TICK_STREAMS, tick_stream
from .tape import Tape
from .transport import Lane, Link, TransportError

_UNDEFINED = 2**63 - 1
_MARKER = -(2**63)
_RETIREMENT = 2


@dataclass(frozen=True)
class LaneHead:
    """What the last packets of a source say in a partition: the last ordinal, when the last packet was sent,
    the watermark, whether the source is retired, and when the last packet of ticks was sent. None: not known."""

    ordinal: int | None
    sent_at: int | None
    watermark: int | None
    is_retired: bool
    ticks_at: int | None = None

    @staticmethod
    def of(ticks: Lane | None, promise: Lane | None) -> LaneHead:
        """Returns the head by the last packet of ticks, and the last one of the source's watermarks."""
        both = [one for one in (ticks, promise) if one is not None]
        marks = [one.watermark for one in both if one.watermark not in (_UNDEFINED, _MARKER)]
        newest = max((one.epoch for one in both), default=0)
        return LaneHead(
            None if ticks is None else ticks.next_ordinal - 1, max((one.sent_time for one in both), default=None),
            max(marks, default=None),
            promise is not None and bool(promise.flags & _RETIREMENT) and promise.epoch == newest,
            None if ticks is None else ticks.sent_time,
        )


class Heads:
    """Asks the tape for heads. While it cannot be asked, nothing is known of them."""

    SILENT_NS = 5 * 10**9
    """After so long without a packet a source is silent. A gateway sends a watermark every second."""
    RETRY_SECONDS = 5.0
    """How long it waits after a failure before it asks again."""

    def __init__(self, tape: Callable[[], Tape] | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._find, self._clock = tape, clock
        self._tape: Tape | None = None
        self._link: Link | None = None
        self._lock = threading.Lock()
        self._retry_at = 0.0

    def of(self, lanes: Sequence[tuple[str, int]]) -> dict[tuple[str, int], LaneHead]:
        """Returns the heads of lanes, as far as the tape tells them."""
        with self._lock:
            if self._find is None or not lanes or self._clock() < self._retry_at:
                return {}
            try:
                return self._asked(lanes)
            except (TapelineError, TransportError):
                # The answer says that nothing is known. The link may be of a server that is away.
                self._retry_at = self._clock() + self.RETRY_SECONDS
                if self._link is not None:
                    self._link.close()
                    self._link = None
                return {}

    def _asked(self, lanes: Sequence[tuple[str, int]]) -> dict[tuple[str, int], LaneHead]:
        if self._tape is None:
            if self._find is None:
                raise NotReachable("nothing names a tape")
            self._tape = self._find()
        tape = self._tape
        link = self._link = self._link or tape.link()
        promises = dict[tuple[str, int], Lane | None]()
        found = {}
        for source, partition in lanes:
            if source in ("operator", "universe"):
                subject = f"bars.{partition}" if source == "operator" else "all.universe"
                last = link.last(f"{tape.namespace.upper()}_BARS", f"{tape.namespace}.{subject}")
                found[source, partition] = LaneHead.of(last, None)
                continue
            number = partition % TICK_STREAMS
            stream = tick_stream(tape.namespace, number)
            if (source, number) not in promises:
                promises[source, number] = link.last(stream, f"{tape.namespace}.wm.{number}.{source}")
            last = link.last(stream, f"{tape.namespace}.ticks.{partition}.{source}")
            found[source, partition] = LaneHead.of(last, promises[source, number])
        return found
