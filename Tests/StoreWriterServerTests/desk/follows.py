"""The rules of a follower, by table, and a simulation of copies that are killed, paused and rebalanced."""

import collections
import dataclasses
import json
import random
import socket

from desk.checks import check, equal, raises

WORLDS = 100
LEASE = 10


def follows(seed):
    shares()
    positions()
    batches()
    wanted()
    messages()
    lines()
    for number in range(WORLDS):
        _World(seed + number).run()
    # Without the fence of epochs the simulation finds ticks that were taken twice.
    check(any(_is_doubled(seed + number) for number in range(WORLDS)))


def shares():
    """Each copy gets as many parts as each other one, from what is free, and lets the rest go."""
    from tapeline.follow_rules import Lease, moves, share

    for copies, places, expected in [
        (["a"], 8, [8]), (["a", "b"], 8, [4, 4]), (["a", "b", "c"], 8, [3, 3, 2]), (["b", "a"], 1, [0, 1]),
        (["a", "b"], 0, [0, 0]),
    ]:
        equal([share(one, copies, places) for one in copies], expected)
    # A copy that the table does not show yet is one, too.
    equal(share("z", ["a"], 4), 2)

    def leases(owners):
        return [Lease(("ticks", number), None if one == "-" else one) for number, one in enumerate(owners)]

    for owners, copies, claims, rest in [
        ("----", "a", [0, 1, 2, 3], []), ("bb--", "ab", [2, 3], []), ("aaaa", "ab", [], [2, 3]),
        ("aab-", "abc", [], []), ("aabb", "ab", [], []), ("aaa-", "ab", [], [2]), ("bbbb", "ab", [], []),
    ]:
        equal(moves("a", list(copies), leases(owners)),
              ([("ticks", one) for one in claims], [("ticks", one) for one in rest]), owners, copies)


def positions():
    """A position is after a packet; what a new source lacks is a hole, but not what the tape had purged before."""
    from tapeline.follow_rules import Reached
    from tapeline.reading import Head, Position

    def head(source, first, ticks, epoch=1):
        return Head(1, 0, source, epoch, first, 0, 0, 0, ticks)

    at = [Position(number, 7, 1, 1) for number in range(10)]
    # The tape was purged before the follower began, up to the ordinal 500 of one source.
    begun = Reached(sources={"old": (0, 500)})
    check(not begun.has(0))
    # The decoder proves what comes of it.
    equal(begun.lost(head("old", 601, 10)), None)
    equal(begun.lost(head("new", 501, 10)), (1, 500))
    equal(begun.lost(head("new", 1, 10)), None)
    equal(begun.lost(head("universe", 9, 1)), None)
    one = begun.after(head("old", 501, 10), at[5])
    equal((one.sources, one.position), ({"old": (1, 510)}, at[5]))
    check(one.has(5) and not one.has(6))
    equal(one.lost(head("old", 600, 1)), None)
    # A marker without ticks takes no ordinals, wherever it says that it is.
    two = one.after(head("old", 900, 0, epoch=3), at[6])
    equal((two.sources, two.position), ({"old": (3, 510)}, at[6]))
    equal(begun.after(head("old", 700, 0, epoch=2), at[6]).sources, {"old": (2, 500)})
    equal(begun.after(head("new", 1, 0), at[6]).sources, {"old": (0, 500), "new": (1, 0)})


def _at(sequence):
    from tapeline.follow_rules import Reached
    from tapeline.reading import Position

    return Reached(Position(sequence, 7, 1, 1))


def batches():
    """What is missing before a packet ends the batch before it, and rows name the packet that they are of."""
    from tapeline.coverage import Missing
    from tapeline.follow_rules import Fed, pieces, put

    hole = Missing(None, None, "hole")

    def fed(*ends):
        return [Fed(("ticks", number % 2), _at(number), (one, 2 * one)) for number, one in enumerate(ends)]

    equal(pieces([], 2), [])
    (one,) = pieces(fed(3, 5, 5), 2)
    equal((one.begins, one.ends, one.holes), ((0, 0), (5, 10), []))
    equal(one.reached, {("ticks", 0): _at(2), ("ticks", 1): _at(1)})
    for row, packet in [(0, 0), (2, 0), (3, 1), (4, 1), (5, 3), (8, 3)]:
        packets = fed(3, 5, 5, 9)
        put([(row, hole)], packets, 0)
        equal([len(one.holes) for one in packets], [int(number == packet) for number in range(4)], row)
    packets = fed(3, 5, 5, 9)
    put([(3, hole), (17, hole)], packets, 1)
    found = pieces(packets, 2)
    # Row 3 of the second kind is of the first packet, and row 17 of the last one.
    equal([(one.begins, one.ends, len(one.holes)) for one in found],
          [((0, 0), (5, 10), 1), ((5, 10), (9, 18), 1)])
    equal([sorted(one.reached) for one in found], [[("ticks", 0), ("ticks", 1)], [("ticks", 1)]])


def wanted():
    """Kinds are named as elsewhere, and copies tell their selection alike."""
    import tapeline
    from tapeline.follow_batches import FollowWanted

    def made(group="features", kinds=("trades",), symbols=(), missing="raise"):
        return FollowWanted.of(group, kinds, symbols, "UTC", "float", missing)

    equal(made(kinds=("bars 1s", "trades", "bars 1m")).kinds, ("bars", "trades"))
    equal(made(kinds=("bars 1s", "bars 1m")).series, ("1s", "1m"))
    equal(made(kinds=("bars 1s", "bars")).series, ())
    equal(made(kinds=("bars 1m", "trades"), symbols=("B", "A")).told, "bars 1m, trades of A, B")
    equal(made(kinds=("trades", "bars 1m"), symbols=("A", "B")).told, "bars 1m, trades of A, B")
    equal(made().told, "trades of all symbols")
    for more, pattern in [
        ({"group": "Features"}, "no name of a group"), ({"group": "a.b"}, "no name of a group"),
        ({"kinds": ("news",)}, "kinds="), ({"kinds": ()}, "kinds="), ({"missing": "drop"}, "missing="),
    ]:
        with raises(tapeline.TapelineError, pattern):
            made(**more)
    with raises(tapeline.TapelineError, "a recording cannot be followed"):
        tapeline.demo().follow("features", database="postgresql:///none", kinds="trades")


def messages():
    """Reports name each position with its proof, in as many messages as are needed."""
    from tapeline import follow
    from tapeline.follow_batches import reports
    from tapeline.follow_rules import Reached
    from tapeline.reading import Position

    here = Reached(Position(9, 2**64 - 1, 3, 4), {"ib": (3, 40)})
    (one,) = reports("features", [(("ticks", 5), 17, here), (("ticks", 6), 17, Reached())])
    equal(json.loads(one), {"v": 1, "group": "features", "positions": [{
        "partition": 5, "input": "ticks", "sequence": 9, "durable": 9, "stream_created_ns": 17, "packet_epoch": 3,
        "packet_ordinal": 4, "packet_checksum": 2**64 - 1,
        "sources": [{"source": "ib", "epoch": 3, "last_ordinal": 40}]}]})
    equal(list(reports("features", [(("ticks", 6), 17, Reached(sources={"ib": (0, 4)}))])), [])
    many = list(reports("features", [(("ticks", number), 17, here) for number in range(2_000)]))
    check(len(many) > 4 and max(map(len, many)) < 52_000, len(many))
    equal([one["partition"] for text in many for one in json.loads(text)["positions"]], list(range(2_000)))
    answer = {"config": {}, "created": "2026-11-20T09:30:00.000000012Z"}
    equal(follow._made(answer), 1_795_167_000_000_000_012)
    answer["config"] = {"metadata": {"created": "2026-11-20T09:30:00.5Z"}}
    equal(follow._made(answer), 1_795_167_000_500_000_000)


def lines():
    """The text protocol in pieces of any size, with the server's questions and refusals."""
    from tapeline.core_nats import CoreNats
    from tapeline.transport import TapeAddress

    text = (b"PING\r\nMSG md.ask.positions 2 0\r\n\r\n-ERR 'Permissions Violation for Publish to \"x\"'\r\n"
            b"MSG _INBOX_me.1.a 1 md.x 8\r\n{\"a\": 1}\r\n")
    for size in (1, 7, len(text)):
        near, far = socket.socketpair()
        with near, far:
            link = CoreNats(TapeAddress("nats://127.0.0.1:1", "me", "open sesame"), "md.ask.positions")
            link._socket = near
            for at in range(0, len(text), size):
                far.sendall(text[at : at + size])
                link._take(1)
            equal((link.asked(), link.asked(), link._answer), (True, False, b'{"a": 1}'))
            check("Permissions Violation" in link.refusal, link.refusal)
            equal(far.recv(100), b"PONG\r\n")
            far.sendall(b"-ERR 'Stale Connection'\r\n")
            equal((link.asked(), link._socket), (False, None))


# ---- the simulation

@dataclasses.dataclass
class _Row:
    epoch: int = 0
    owner: str = ""
    until: int = 0
    reached: object = None


class _Ledger:
    """The table as one copy changes it."""

    def __init__(self, world, name):
        self.world, self.name = world, name

    def renew(self):
        from tapeline.follow_rules import Held

        own = {place: row for place, row in self.world.rows.items() if row.owner == self.name}
        for row in own.values():
            row.until = self.world.now + LEASE
        return {place: Held(row.epoch, 1, row.reached) for place, row in own.items()}

    def copies(self):
        self.world.copies[self.name] = self.world.now + LEASE
        return [name for name, until in self.world.copies.items() if until > self.world.now]

    def leases(self):
        from tapeline.follow_rules import Lease

        return [Lease(place, row.owner if row.owner and row.until > self.world.now else None)
                for place, row in sorted(self.world.rows.items())]

    def claim(self, place):
        from tapeline.follow_rules import Held

        row = self.world.rows[place]
        if row.owner and row.until > self.world.now:
            return None
        row.epoch, row.owner, row.until = row.epoch + 1, self.name, self.world.now + LEASE
        return Held(row.epoch, 1, row.reached)

    def let_go(self, place):
        row = self.world.rows[place]
        if row.owner == self.name:
            row.owner = ""

    def commit(self, epochs, reached, taken):
        rows = {place: self.world.rows[place] for place in reached}
        if self.world.has_fence and any(row.epoch != epochs[place] for place, row in rows.items()):
            return False
        for place, row in rows.items():
            row.reached = reached[place]
        self.world.taken.update(taken)
        return True


class _Runner:
    """A process with one copy. It does one thing in each turn."""

    def __init__(self, world, name):
        from tapeline.follow_rules import Copy

        self.world, self.ledger = world, _Ledger(world, name)
        self.copy = Copy(name, self.ledger)
        self.paused_until, self.renew_at = 0, 0
        self.restart()

    def restart(self):
        self.reached, self.queue, self.batch = {}, [], None
        self.copy.held, self.renew_at = {}, 0

    def turn(self):
        world = self.world
        if world.now < self.paused_until:
            return
        if self.batch is not None:
            piece, taken = self.batch
            self.batch = None
            if world.random.random() < 0.05 or not self.ledger.commit(self.copy.epochs, piece.reached, taken):
                # The body has raised, or another copy has a part.
                self.restart()
        elif world.now >= self.renew_at:
            if self.copy.turn():
                self.queue.clear()
                self.reached = {place: held.reached for place, held in self.copy.held.items()}
            self.renew_at = world.now + LEASE // 2
        elif self.queue:
            self.next()
        else:
            self.read()

    def next(self):
        piece, taken = self.queue[0]
        if piece.holes:
            if self.world.random.random() < 0.5:
                self.world.accepted.update(piece.holes)
                piece.holes = []
            else:
                self.restart()
            return
        self.batch = self.queue.pop(0)

    def read(self):
        from tapeline.follow_rules import Fed, pieces

        fed, rows = [], []
        for place in sorted(self.reached):
            taken = self.reached[place].position
            start = taken.sequence if taken else 0
            for position, head in self.world.tape[place][start : start + self.world.random.randint(0, 8)]:
                reached = self.reached[place]
                last = reached.sources.get(head.source, (0, 0))[1]
                lost = reached.lost(head)
                # What the decoder finds.
                lost = lost or (last + 1, head.first_ordinal - 1) if head.ticks else lost
                holes = [(place, *lost)] if lost and lost[0] <= lost[1] else []
                self.reached[place] = reached.after(head, position)
                rows += [(place, number) for number in range(head.first_ordinal, head.first_ordinal + head.ticks)]
                fed.append(Fed(place, self.reached[place], (len(rows),), holes))
        for piece in pieces(fed, 1):
            self.queue.append((piece, rows[piece.begins[0] : piece.ends[0]]))


class _World:
    """A tape of some parts with lost packets, a database, and copies that come, go, stop and wake up."""

    def __init__(self, seed, has_fence=True):
        from tapeline.follow_rules import Reached

        self.seed, self.random, self.has_fence = seed, random.Random(seed), has_fence
        self.now, self.names = 0, 0
        self.rows = {("ticks", number): _Row(reached=Reached()) for number in range(self.random.randint(1, 6))}
        self.copies, self.accepted, self.taken = {}, set(), collections.Counter()
        self.tape = {place: [] for place in self.rows}
        self.nexts = dict.fromkeys(self.rows, 1)
        self.expected, self.lost = set(), set()
        self.runners = [self.made() for _ in range(self.random.randint(1, 4))]

    def made(self):
        self.names += 1
        return _Runner(self, f"copy-{self.names}")

    def publish(self):
        from tapeline.reading import Head, Position

        place = self.random.choice(list(self.tape))
        first, ticks = self.nexts[place], self.random.randint(0, 3)
        self.nexts[place] += ticks
        packets = self.tape[place]
        # Only what something follows is known to be lost, and never the first.
        if ticks and packets and self.random.random() < 0.03:
            self.lost |= {(place, number) for number in range(first, first + ticks)}
            return
        sequence = packets[-1][0].sequence + 1 if packets else 1
        packets.append((Position(sequence, 1, 1, first), Head(1, place[1], "ib", 1, first, 0, 0, 0, ticks)))
        self.expected |= {(place, number) for number in range(first, first + ticks)}

    def step(self, is_calm):
        self.now += 1
        for runner in self.random.sample(self.runners, len(self.runners)):
            runner.turn()
        if is_calm:
            return
        self.publish()
        chance = self.random.random()
        number = self.random.randrange(len(self.runners))
        if chance < 0.02:
            self.runners[number] = self.made()
        elif chance < 0.04:
            self.runners[number].paused_until = self.now + self.random.randint(1, 3 * LEASE)
        elif chance < 0.045 and len(self.runners) < 5:
            self.runners.append(self.made())
        elif chance < 0.05 and len(self.runners) > 1:
            self.runners.pop(number)

    def run(self):
        for _ in range(400):
            self.step(is_calm=False)
        # Ordinals after the last packet are not known to be lost.
        for place in self.tape:
            self.lost = {one for one in self.lost if one[0] != place or one[1] < self.end(place)}
        for _ in range(1_000):
            self.step(is_calm=True)
        equal(sorted(self.expected - set(self.taken))[:3], [], self.seed, "missed")
        equal([one for one, count in self.taken.items() if count != 1][:3], [], self.seed, "twice")
        equal(set(self.taken) - self.expected, set(), self.seed)
        told = {(place, number) for place, first, last in self.accepted for number in range(first, last + 1)}
        equal(self.lost - told, set(), self.seed, "a hole was passed that was not accepted")
        self.shared()

    def end(self, place):
        return max((head.first_ordinal for _, head in self.tape[place] if head.ticks), default=0)

    def shared(self):
        """In the end each copy that lives has its share."""
        from tapeline.follow_rules import share

        names = [runner.copy.name for runner in self.runners]
        equal([len(runner.copy.held) for runner in self.runners],
              [share(name, names, len(self.rows)) for name in names], self.seed)


def _is_doubled(seed):
    world = _World(seed, has_fence=False)
    for _ in range(400):
        world.step(is_calm=False)
    return any(count > 1 for count in world.taken.values())
