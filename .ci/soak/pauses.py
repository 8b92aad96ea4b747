"""How long streams stood still after their leader was killed: those of the tape, and those of a bare program of libnats
that publishes with the same expectation on the same cluster."""

import asyncio
import bisect
import collections
import statistics
from dataclasses import dataclass, field

import nats
from nats.js.api import StorageType, StreamConfig

from stack import Failure, say
from tape_rows import read_streams

# The streams of the bare program, and the time between two packets of it in one stream.
BARE = "BARE"
BARE_STREAMS = [f"{BARE}_{number}" for number in range(4)]
BARE_MILLISECONDS = 20
# How much longer than a stream of the bare program the tape may stand still after the same kill.
LONGER_SECONDS = 1.0


def bare_command(program: str, urls: list[str], user: str) -> list[str]:
    return [program, "hold", ",".join(urls), BARE.lower(), BARE, user, str(BARE_MILLISECONDS)]


async def make_bare_streams(urls: list[str], password: str, copies: int) -> None:
    client = await nats.connect(urls, user="tool", password=password)
    try:
        for number, stream in enumerate(BARE_STREAMS):
            await client.jetstream(timeout=20).add_stream(StreamConfig(
                name=stream, subjects=[f"{BARE.lower()}.ticks.{number}.*"], num_replicas=copies,
                storage=StorageType.FILE, max_bytes=1 << 30))
    finally:
        await client.close()


@dataclass
class Pauses:
    """The kills of a soak, and what the streams of both programs did after each."""

    tape: list[str]
    # How long after a kill streams may stand still because of it.
    seconds: float
    # When each server was killed, and the streams that it led.
    kills: list[tuple[float, set[str]]] = field(default_factory=list)
    # When all servers were there again after the last kill. What comes later is none of a kill.
    over: float = float("inf")
    # Of each stream, when its packets were stored.
    times: dict[str, list[float]] = field(default_factory=lambda: collections.defaultdict(list))

    def killed(self, now: float, led: set[str]) -> None:
        self.kills.append((now, led & {*self.tape, *BARE_STREAMS}))

    def read(self, urls: list[str], password: str, namespace: str) -> None:
        for streams, subjects in ((self.tape, f"{namespace}.ticks.>"), (BARE_STREAMS, f"{BARE.lower()}.>")):
            asyncio.run(read_streams(
                urls, password, streams, subjects,
                lambda stream, message: self.times[stream].append(message.metadata.timestamp.timestamp())))

    def of(self, streams: list[str]) -> list[float]:
        """Returns how long each stream stood still after a kill of its leader."""
        found = []
        for killed, led in self.kills:
            for stream in led.intersection(streams):
                times = self.times[stream]
                begin = max(0, bisect.bisect(times, killed) - 1)
                # The packet after the time has the length of a standstill that goes on at its end.
                end = bisect.bisect(times, killed + self.seconds) + 1
                near = times[begin:min(end, bisect.bisect(times, self.over))]
                found.append(max((later - time for time, later in zip(near, near[1:])), default=0.0))
        return found

    def judge(self) -> None:
        ours, bare = self.of(self.tape), self.of(BARE_STREAMS)
        if not ours or not bare:
            raise Failure("no server was killed that led a stream of both programs")
        of_ours, of_bare = ((statistics.median(each), max(each)) for each in (ours, bare))
        say(f"after a kill of its leader a stream of the tape stood still for {of_ours[0]:.1f} s (median of {len(ours)},"
            f" at most {of_ours[1]:.1f}), one of a bare program for {of_bare[0]:.1f} s (of {len(bare)}, at most"
            f" {of_bare[1]:.1f})")
        if any(mine > other + LONGER_SECONDS for mine, other in zip(of_ours, of_bare)):
            raise Failure("the tape stood still for longer than the bare program's streams")
