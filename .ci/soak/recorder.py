#!/usr/bin/env python3
"""Writes down every packet of a stream as it comes: a line of JSON with its sequence, subject, the time at
which the tape took it, the time at which it came here, and its bytes.

    recorder.py STREAM FILE         the server is in RECORDER_NATS (a URL with its user)

The last line of the file is the position. It is on disk before the next packets are asked for, so a
recorder that is killed goes on where it ended, and no packet is written twice. Where the stream lacks
packets, the next line has "lost": the first and the last sequence."""

import asyncio
import json
import os
import secrets
import sys
import time
from typing import Any

import nats
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

BATCH = 256
PULL_SECONDS = 1.0
# A consumer that was lost with its server gives nothing, and the user may not ask for its state.
SILENT_PULLS_MAX = 2
PREFIX = b"_INBOX_consumer"


def position(path: str) -> int:
    """Returns the last sequence of the file, and cuts off a line that a killed recorder left unfinished."""
    if not os.path.exists(path):
        return 0
    with open(path, "rb+") as file:
        data = file.read()
        whole = data.rfind(b"\n") + 1
        file.truncate(whole)
    last = data[:whole].rstrip(b"\n").rpartition(b"\n")[2]
    return int(json.loads(last)["sequence"]) if last else 0


def place(reply: str) -> tuple[int, int, int]:
    """Returns the sequence in the stream, that in the consumer, and the tape's time, from $JS.ACK."""
    tokens = reply.split(".")
    start = 5 if len(tokens) == 9 else 7
    return int(tokens[start]), int(tokens[start + 1]), int(tokens[start + 2])


class Recorder:
    """One stream and its file."""

    def __init__(self, stream: str, path: str) -> None:
        self.stream = stream
        self.last = position(path)
        self.file = open(path, "ab")

    async def run(self, url: str) -> None:
        while True:
            try:
                client = await nats.connect(
                    url, inbox_prefix=PREFIX, connect_timeout=2, allow_reconnect=False, error_cb=self.quiet)
                try:
                    await self.read(client)
                finally:
                    await client.close()
            except (OSError, nats.errors.Error, asyncio.TimeoutError) as error:
                print(f"recorder: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                await asyncio.sleep(0.3)

    @staticmethod
    async def quiet(error: Exception) -> None:
        """The error of a lost connection also comes to the one who waits for packets."""

    async def read(self, client: Any) -> None:
        """Reads by one consumer, until it gives nothing any more."""
        tape, name = client.jetstream(), "recorder-" + secrets.token_hex(8)
        start = {"deliver_policy": DeliverPolicy.ALL}
        if self.last:
            start = {"deliver_policy": DeliverPolicy.BY_START_SEQUENCE, "opt_start_seq": self.last + 1}
        await tape.add_consumer(self.stream, ConsumerConfig(
            name=name, ack_policy=AckPolicy.NONE, mem_storage=True, inactive_threshold=60, **start))
        packets = await tape.pull_subscribe_bind(consumer=name, stream=self.stream)
        delivered = silent = 0
        while silent < SILENT_PULLS_MAX:
            try:
                found = await packets.fetch(BATCH, timeout=PULL_SECONDS)
            except asyncio.TimeoutError:
                silent += 1
                continue
            received, silent = time.time_ns(), 0
            for message in found:
                sequence, number, taken = place(message.reply)
                if number != delivered + 1 or sequence <= self.last:
                    return
                delivered = number
                self.write(sequence, taken, received, message)
            self.file.flush()
            os.fsync(self.file.fileno())

    def write(self, sequence: int, taken: int, received: int, message: Any) -> None:
        line: dict[str, Any] = {
            "sequence": sequence, "subject": message.subject, "taken": taken, "received": received,
            "data": message.data.hex()}
        if sequence != self.last + 1:
            line["lost"] = [self.last + 1, sequence - 1]
        self.file.write(json.dumps(line).encode() + b"\n")
        self.last = sequence


if __name__ == "__main__":
    asyncio.run(Recorder(sys.argv[1], sys.argv[2]).run(os.environ["RECORDER_NATS"]))
