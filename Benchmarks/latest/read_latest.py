#!/usr/bin/env python3
"""Measures the answers of `desk.latest` by what it reads of Valkey, in turns with a bare socket.

    read_latest.py PORT PASSWORD

It fills Valkey with the last trade and quote of 10,000 symbols of a source. The bare socket sends the same commands,
which are ready, and takes the same replies, whose bytes it looks at no further. Prints of each figure its name, our
milliseconds, and the bare socket's.
"""
import pathlib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Sources/Desk/python"))

from tapeline import latest, valkey  # noqa: E402
from tapeline.heads import Heads  # noqa: E402

SYMBOLS = [f"SYM{number:05}" for number in range(10_000)]
PARTITIONS = 64
SINGLE, WHOLE = 2_000, 9


def fill(server):
    now = time.time_ns()
    commands = []

    def put(key, **fields):
        commands.append(valkey.command("HSET", key, *(str(one) for pair in fields.items() for one in pair)))

    for number, symbol in enumerate(SYMBOLS):
        shared = {
            "ts": now, "receive_ts": now, "partition": number % PARTITIONS, "ordinal": number + 1, "lane": "ibkr",
            "delayed": 0, "source": "ibkr", "stale_after": 300_000, "filled": "", "order": f"{now:020}{number:020}",
        }
        price = 100 + number / 100
        put(f"md:trade:{symbol}:ibkr", price=price, size=100, exchange="NSDQ", **shared)
        put(f"md:quote:{symbol}:ibkr", bid=price, bid_size=100, ask=price + 1, ask_size=300, bid_exchange="NSDQ",
            ask_exchange="ARCA", **shared)
        put("md:sources", **{symbol: f"ibkr:{now // 10**6 + 10**8}"})
    for partition in range(PARTITIONS):
        put(f"md:lane:{partition}:ibkr", **{"from": 1, "ordinal": len(SYMBOLS)})
    server.ask(valkey.Group(commands, str))


class Noted(valkey.Valkey):
    """Notes what is sent, and how many bytes come back."""

    def __init__(self, address):
        super().__init__(address)
        self.steps, self.sizes = [], []

    def _exchange(self, pieces):
        self.sizes = []
        found = super()._exchange(pieces)
        self.steps.append([(one.written, size) for one, size in zip(pieces, self.sizes)])
        return found

    def _block(self, link, rest):
        block, rest = super()._block(link, rest)
        self.sizes.append(len(block))
        return block, rest


class Bare:
    """The same commands by a socket alone: a step's next piece is sent before its replies are taken."""

    def __init__(self, address):
        self._link = socket.create_connection((address.host, address.port))
        self._link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._link.sendall(valkey.command("AUTH", address.password).encode())
        self._link.recv(100)

    def run(self, steps):
        for step in steps:
            self._link.sendall(step[0][0])
            for number, (_, size) in enumerate(step):
                if number + 1 < len(step):
                    self._link.sendall(step[number + 1][0])
                while size:
                    size -= len(self._link.recv(min(size, 1 << 18)))


def milliseconds(call):
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def main(port, password):
    address = valkey.ValkeyAddress("127.0.0.1", int(port), None, password)
    fill(valkey.Valkey(address))
    noted = Noted(address)
    ours, notes = (latest.HotState(server, "md", Heads(None), latest.Memory())
                   for server in (valkey.Valkey(address), noted))
    bare = Bare(address)
    for name, groups, turns, share in (
        ("one of 10,000 symbols, p99", [[one] for one in SYMBOLS[::5]], SINGLE, 0.99),
        ("10,000 symbols, median", [SYMBOLS], WHOLE, 0.5),
    ):
        times = []
        for turn in range(-2, turns):
            group = groups[turn % len(groups)]
            noted.steps = []
            notes.latest(group, latest.KINDS[:2], (), None)
            pair = milliseconds(lambda: ours.latest(group, latest.KINDS[:2], (), None)), milliseconds(
                lambda: bare.run(noted.steps))
            if turn >= 0:
                times.append(pair)
        at = int(len(times) * share)
        print(f"{name};{sorted(one for one, _ in times)[at]};{sorted(one for _, one in times)[at]}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
