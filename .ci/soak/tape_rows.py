"""Compares the ticks of a tape with the rows of a database, by the wire schema and SQL alone."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import nats
from nats.js.api import AckPolicy, ConsumerConfig

from stack import ROOT, Failure, say

sys.path.insert(0, str(ROOT / "Tests/TapeCodecTests"))

import decode_packet  # noqa: E402

STREAMS_OF_TICKS = 4
BATCH = 200


class Audit:
    """What is on the tape, by the wire schema alone."""

    def __init__(self) -> None:
        self.schema = decode_packet.Schema(ROOT / "Sources/Tape/TapeCodec/tape.sbe.xml")
        # Of each subject, the first and the last ordinal, and the number of ticks.
        self.subjects: dict[str, tuple[int, int, int]] = {}
        self.faults: list[str] = []

    def take(self, subject: str, sequence: int, packet: bytes) -> list[Any]:
        """Takes a packet of a subject, in order. Returns its messages."""
        messages: list[Any] = decode_packet.decode(self.schema, packet)
        fields = messages[0]["fields"]
        start, count = int(fields["firstOrdinal"]), int(fields["tickCount"])
        begin, last, ticks = self.subjects.get(subject, (start, start - 1, 0))
        if count and start != last + 1:
            self.faults.append(f"{subject} {sequence}: ordinal {start} after {last}")
        self.subjects[subject] = (begin, max(last, start + count - 1), ticks + count)
        return messages


async def read_streams(
    urls: list[str], password: str, streams: list[str], subjects: str, take: Callable[[str, Any], object]
) -> None:
    """Hands over each message of streams to which nobody writes any more, with the stream's name."""
    client = await nats.connect(urls, user="tool", password=password)
    try:
        tape = client.jetstream(timeout=20)
        for stream in streams:
            if not (await tape.stream_info(stream)).state.messages:
                continue
            reader = await tape.pull_subscribe(
                subjects, stream=stream,
                config=ConsumerConfig(ack_policy=AckPolicy.NONE, mem_storage=True, num_replicas=1))
            while True:
                try:
                    messages = await reader.fetch(BATCH, timeout=3)
                except (TimeoutError, asyncio.TimeoutError, nats.errors.TimeoutError):
                    break
                for message in messages:
                    take(stream, message)
    finally:
        await client.close()


def tick_streams(namespace: str) -> list[str]:
    return [f"{namespace.upper()}_TICKS_{number}" for number in range(STREAMS_OF_TICKS)]


def verdict(urls: list[str], password: str, query: Callable[[str], str], namespace: str, generated: int) -> None:
    """Fails unless every generated tick is on the tape once, and is a row once."""
    audit = Audit()
    asyncio.run(read_streams(
        urls, password, tick_streams(namespace), f"{namespace}.ticks.>",
        lambda _, message: audit.take(message.subject, message.metadata.sequence.stream, message.data)))
    on_tape = sum(each[2] for each in audit.subjects.values())
    rows = query(
        "SELECT source, partition, count(*), count(DISTINCT ordinal), min(ordinal), max(ordinal) FROM"
        f" (SELECT source, partition, ordinal FROM {namespace}.trades UNION ALL"
        f" SELECT source, partition, ordinal FROM {namespace}.quotes) AS ticks GROUP BY 1, 2")
    stored = {}
    for row in rows.splitlines():
        source, partition, *numbers = row.split("|")
        stored[f"{namespace}.ticks.{partition}.{source}"] = [int(each) for each in numbers]
    problems = audit.faults[:10]
    for subject, (begin, last, ticks) in audit.subjects.items():
        wanted = [ticks, ticks, begin, last] if ticks else None
        if wanted != stored.pop(subject, None):
            problems.append(f"{subject}: on the tape {wanted}, in the database something else")
    problems += [f"{subject}: rows without packets" for subject in stored]
    if on_tape != generated:
        problems.append(f"{generated} ticks were generated, {on_tape} are on the tape")
    say(f"{generated} generated, {on_tape} on the tape, lost {max(0, generated - on_tape)}, doubled"
        f" {max(0, on_tape - generated)}; {len(audit.subjects)} subjects")
    if problems:
        raise Failure("; ".join(problems[:5]))
