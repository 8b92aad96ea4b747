#!/usr/bin/env python3
"""A proxy before NATS that moves the clocks of its servers: each stream has one, as if each were led by another node.

    tape_clock.py PORT PORTS MOVES    PORTS: the file with the stack's ports. MOVES: a file of JSON; by stream,
                                      [from, offset] in nanoseconds, in order

It changes the time at which the tape took a message, in deliveries and answers, so all that reads through it sees the
same time of a message whenever it does. What begins at a time begins where that clock has it."""

import asyncio
import datetime
import json
import pathlib
import re
import sys
from typing import Any

DELIVERED = re.compile(rb"^(H?MSG \S+ \S+ )(\$JS\.ACK\.\S+)( .*)$")
ASKED = re.compile(rb"^PUB \$JS\.API\.(?:CONSUMER\.(?:DURABLE\.)?CREATE|STREAM\.MSG\.GET)\.([^. ]+)\S* ")
BEGUN = re.compile(rb'"(?:opt_)?start_time":"([^"]+)"')
STORED = re.compile(rb'"time":"([^"]+)"')
SUBJECT = re.compile(rb'"subject":"([a-z0-9_]+)\.(ticks|bars|all)\.(\d*)')
ANSWER = b"jetstream.api.v1.stream_msg_get_response"
STREAMS_OF_TICKS = 4
SIZED = (b"MSG ", b"HMSG ", b"PUB ", b"HPUB ")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Moves:
    """How far the clock of each stream is ahead, from which true time on."""

    def __init__(self, path: pathlib.Path) -> None:
        self.of: dict[str, list[list[int]]] = json.loads(path.read_text())

    def told(self, stream: str, taken: int) -> int:
        """The time that the clock of a stream shows at a true time."""
        return taken + max((move for move in self.of.get(stream, []) if move[0] <= taken), default=[0, 0])[1]

    def first(self, stream: str, told: int) -> int:
        """The first true time at which the clock of a stream shows so much or more."""
        moves = [[0, 0], *self.of.get(stream, [])]
        ends = [each[0] for each in moves[1:]] + [2**63 - 1]
        return next(max(begin, told - offset) for (begin, offset), end in zip(moves, ends)
                    if told - offset < end)


def moved(line: bytes, moves: Moves) -> bytes:
    """A line of the server, with the time of a delivery as that clock has it."""
    found = DELIVERED.match(line)
    if not found:
        return line
    tokens = found[2].split(b".")
    # $JS.ACK.stream.consumer.delivered.sequence.sequence.time.pending, or with a domain and an account before.
    stream, place = (2, 7) if len(tokens) == 9 else (4, 9)
    tokens[place] = b"%d" % moves.told(tokens[stream].decode(), int(tokens[place]))
    return found[1] + b".".join(tokens) + found[3]


def nanoseconds(text: bytes) -> int:
    whole, _, rest = text.decode().rstrip("Z").partition(".")
    return int(datetime.datetime.fromisoformat(whole + "+00:00").timestamp()) * 10**9 + int(rest.ljust(9, "0") or 0)


def iso(time: int) -> bytes:
    at = EPOCH + datetime.timedelta(seconds=time // 10**9)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{time % 10**9:09}Z".encode()


def begun(line: bytes, body: bytes, moves: Moves) -> bytes:
    """The body of a request, with the true time at which it begins."""
    found = ASKED.match(line)
    return body if not found else BEGUN.sub(
        lambda time: time[0].replace(
            time[1], iso(moves.first(found[1].decode(), nanoseconds(time[1])))), body)


def answered(body: bytes, moves: Moves) -> bytes:
    """The body of an answer with a stored message, with its time as that clock has it."""
    found = SUBJECT.search(body) if ANSWER in body[:200] else None
    if not found:
        return body
    name = found[1].decode().upper()
    number = int(found[3] or 0) % STREAMS_OF_TICKS
    stream = f"{name}_TICKS_{number}" if found[2] == b"ticks" else f"{name}_BARS"
    return STORED.sub(
        lambda time: time[0].replace(time[1], iso(moves.told(stream, nanoseconds(time[1])))), body)


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, moves: Moves) -> None:
    """Carries the messages of one direction."""
    try:
        while True:
            line = (await reader.readuntil(b"\r\n"))[:-2]
            body = b""
            if line.startswith(SIZED):
                body = (await reader.readexactly(int(line.rpartition(b" ")[2]) + 2))[:-2]
                line = moved(line, moves)
                changed = answered(body, moves) if line.startswith(b"MSG ") else begun(line, body, moves)
                if len(changed) != len(body):
                    line = line.rpartition(b" ")[0] + b" %d" % len(changed)
                writer.write(line + b"\r\n" + changed + b"\r\n")
            else:
                writer.write(line + b"\r\n")
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def serve(port: int, ports: pathlib.Path, moves: Moves) -> None:
    async def link(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server = json.loads(ports.read_text())["nats"]
            others: Any = await asyncio.open_connection("127.0.0.1", server, limit=1 << 24)
        except (OSError, ValueError):
            writer.close()
            return
        await asyncio.gather(carry(reader, others[1], moves), carry(others[0], writer, moves))

    async with await asyncio.start_server(link, "127.0.0.1", port, limit=1 << 24) as listening:
        await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), pathlib.Path(sys.argv[2]), Moves(pathlib.Path(sys.argv[3]))))
