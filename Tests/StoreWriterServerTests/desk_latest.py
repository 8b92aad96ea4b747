"""Checks what the package `tapeline` answers of the latest values.

    desk_latest.py rules           the rules of an answer, without a server
    desk_latest.py server SYMBOL   a trade of SYMBOL with the ordinal 2 in the Valkey of TAPELINE_VALKEY, which a
                                   writer keeps, and on the tape of NATS_URL; then a gap. This script changes that Valkey

DESK_PACKAGE names the folder in which the wheel is installed (desk/install.py), DESK_SITE an empty one."""

import datetime
import os
import socket
import sys
import time

import desk_package as base
from desk import checks
from desk_package import check, equal, raises

SECOND = 10**9
POLL_SECONDS = 0.02
TRIES = 3_000
END = 9_000_000_000_000
"""When keys expire, in Unix milliseconds."""


def rules():
    import tapeline
    from tapeline.database import Database

    answers()
    memory()
    feeds()
    answer()
    for length, expected in [("5s", 5 * SECOND), ("500ms", SECOND // 2), (2.5, 5 * SECOND // 2), ("1.5m", 90 * SECOND),
                             (datetime.timedelta(seconds=3), 3 * SECOND)]:
        equal(tapeline.latest.nanoseconds(length), expected)
    for wrong in ("5", "", "-1s", 0, None, True, "5 s", "5d"):
        with raises(tapeline.TapelineError, "it is a length"):
            tapeline.latest.nanoseconds(wrong)
    for wrong in ("http://a", "valkey://", "valkey://a:b", "valkey://u:p@h:1:2"):
        with raises(tapeline.TapelineError, "malformed"):
            _address(wrong)
    address = _address("valkey://reader:a%40b%2F@[::1]:7000")
    equal((address.host, address.port, address.user, address.password), ("::1", 7000, "reader", "a@b/"))
    check("a@b" not in repr(address), repr(address))
    # A database that is away, or lacks what is asked, says nothing of gaps, and breaks no answer.
    equal(Database({"host": "127.0.0.1", "port": "1"}, "md").open_gaps(["A"]), None)
    with raises(tapeline.TapelineError, "a recording has no latest values"):
        tapeline.demo().latest("AAPL")


def _address(url):
    from tapeline import stack

    return stack.find_valkey(url, None, None, {})


def answers():
    """Answers are read exactly, whatever is in them."""
    from tapeline.valkey import Fields, ValkeyError, columns, parsed

    def written(value):
        if value is None:
            return b"$-1\r\n"
        if isinstance(value, bytes):
            return b"$%d\r\n%b\r\n" % (len(value), value)
        return b"*%d\r\n" % len(value) + b"".join(map(written, value))

    for values in (
        [[b"1", b""], [None, None], [], [b"a" * 2_000]], [[None, b"1"], [b"1", None]],
        [[b"a\r\n$1\r\nb", b"c"], [b"*1\r\n"]], [[b"x"], None, b"text"], [[[b"x"], b"y"]], [],
        [[b"x$-1", None, b"$-1"]], [[b"$-1\r\n", None], [b"$-1"]],
    ):
        equal(parsed(b"".join(map(written, values))), values)
    found = parsed(b"*1\r\n$1\r\na\r\n-WRONGTYPE it\r\n:7\r\n+OK\r\n*-1\r\n")
    check(isinstance(found[1], ValkeyError) and str(found[1]) == "WRONGTYPE it", found)
    equal([found[0], *found[2:]], [[b"a"], b"7", b"OK", []])
    # The same of keys with two fields, column by column.
    none = "Valkey has none"
    for values, expected in (
        ([[b"1", b"a"], [b"2", b""]], Fields([[b"1", b"2"], [b"a", b""]], {})),
        ([[None, None], [b"2", b"*"]], Fields([[b"", b"2"], [b"", b"*"]], {0: none})),
        ([[b"1", None], [b"-2", b"b"]], Fields([[b"", b"-2"], [b"", b"b"]], {0: none})),
        # A text that looks like the missing fields of the next key.
        ([[b"1", b"*2\r\n$-1\r\n$-1\r\n"], [None, b"2"]],
         Fields([[b"1", b""], [b"*2\r\n$-1\r\n$-1\r\n", b""]], {1: none})),
    ):
        equal(columns(b"".join(map(written, values)), len(values), 2), expected)
    found = columns(b"-NOPERM it\r\n" + written([b"1\r\n2\r\n3", b"b\r\n*2"]), 2, 2)
    equal(found, Fields([[b"", b"1\r\n2\r\n3"], [b"", b"b\r\n*2"]], {0: "NOPERM it"}))
    for malformed in (b"*9999999999999\r\n$-1\r\n", b"*1\r\n", b"*x\r\n", b"*1\r\n" * 9_999, b"$5"):
        check(_is_refused(malformed), malformed[:20])
    with raises(OSError, "no answers"):
        columns(written([b"1", b"2"]), 2, 2)


def _is_refused(block):
    """Returns whether a connection calls a block of answers none of Valkey."""
    from tapeline.valkey import Group, Valkey, ValkeyAddress

    near, far = socket.socketpair()
    with near, far:
        link = Valkey(ValkeyAddress("127.0.0.1", 1))
        link._socket = near
        far.sendall(block + link._end)
        try:
            link._asked(Group(["A"], str, 2).pieces)
        except OSError as error:
            return "no answers of Valkey" in str(error)
    return False


def memory():
    """A lower place is refused, and beyond the maximum the value that was asked for the longest ago is forgotten."""
    from tapeline.latest import Memory

    known = Memory(most=2)
    a, b, c = ("a",), ("b",), ("c",)
    equal(known.admit([a, b], [5, 7]), {})
    equal(known.admit([a, b], [4, 8]), {0: 5})
    equal(known.admit([a, b], [5, 6]), {1: 8})
    # b was asked for last, so a goes.
    equal(known.admit([c, b], [1, 1]), {1: 8})
    equal(known.admit([a], [1]), {})
    # What the database had hides nothing that came after it on a tape that was made again.
    known = Memory(most=2)
    equal(known.admit([a, b], [1000, 3], [b"20", b"1"], [b"database", b""]), {})
    equal(known.admit([a, b], [5, 4], [b"20", b"2"], [b"", b""]), {0: 1000})
    equal(known.admit([a], [900], [b"30"], [b"database"]), {0: 1000})
    equal(known.admit([a], [5], [b"21"], [b""]), {})
    equal(known.admit([a], [6], [b"22"], [b""]), {})
    equal(known.admit([a], [5], [b"23"], [b""]), {0: 6})
    equal(known.admit([a], [7], [b"24"], [b""]), {})
    equal(known.admit([b], [3], [b"3"], [b""]), {0: 4})
    equal(len(known), 2)


def feeds():
    from tapeline.heads import LaneHead
    from tapeline.latest import Feed, judged
    from tapeline.transport import Lane

    def packet(**told):
        lane = Lane(packets=1, watermark=2**63 - 1)
        for name, value in told.items():
            setattr(lane, name, value)
        return lane

    now = 100 * SECOND
    equal(judged((1, 3), None, now), (Feed(), (1, 3), None))
    equal(LaneHead.of(None, None), LaneHead(None, None, None, False))
    ticks = packet(next_ordinal=8, sent_time=90 * SECOND, watermark=80 * SECOND, epoch=2)
    promise = packet(next_ordinal=99, sent_time=98 * SECOND, watermark=97 * SECOND, epoch=2)
    equal(judged((2, 5), LaneHead.of(ticks, promise), now), (Feed("live", 97 * SECOND, 2.0), (2, 5), 2))
    equal(judged(None, LaneHead.of(ticks, None), now), (Feed("silent", 80 * SECOND, 10.0), None, None))
    # What is in Valkey came after the head was asked for.
    equal(judged((2, 9), LaneHead.of(ticks, promise), now)[2], 0)
    gone = packet(sent_time=99 * SECOND, watermark=-(2**63), epoch=3, flags=2)
    equal(judged((2, 7), LaneHead.of(ticks, gone), now), (Feed("retired", 80 * SECOND, 1.0), (2, 7), 0))
    back = packet(next_ordinal=9, sent_time=99 * SECOND, watermark=98 * SECOND, epoch=4)
    equal(judged((2, 7), LaneHead.of(back, gone), now)[0].state, "live")


class _Scripted:
    """Valkey as a table of hashes."""

    def __init__(self):
        from tapeline.valkey import ValkeyAddress

        self.address, self.keys, self.after, self.rounds = ValkeyAddress("scripted", 1), {}, [], 0

    def ask(self, group):
        from tapeline.valkey import parsed

        return parsed(b"".join(map(self._answer, map(group.write, group.keys))))

    def both(self, group, groups):
        return self.ask(group), self.tables(groups)

    def tables(self, groups):
        from tapeline.valkey import Fields, columns

        self.rounds += 1

        found = [
            columns(b"".join(map(self._answer, map(one.write, one.keys))), len(one.keys), one.width)
            if one.keys else Fields([[] for _ in range(one.width)], {}) for one in groups
        ]
        for one, part in zip(groups, found):
            if one.check is not None:
                one.check(part)
        if self.after:
            self.keys.update(self.after.pop(0))
        return found

    def _answer(self, command):
        _, key, *names = command.split("\r\n")[2::2]
        texts = [self.keys.get(key, {}).get(one) for one in names]
        return b"*%d\r\n" % len(names) + b"".join(
            b"$-1\r\n" if text is None else b"$%d\r\n%b\r\n" % (len(str(text)), str(text).encode()) for text in texts)


def answer():
    """The values of an answer, one that is too old, and one that is older than what was answered before."""
    import tapeline
    from tapeline.heads import Heads
    from tapeline.latest import HotState, Memory

    valkey = _Scripted()
    hot = HotState(valkey, "md", Heads(None), Memory())
    now = 1_000 * SECOND
    trade = {
        "price": "1.5", "size": "", "exchange": "Q", "ts": now - 2 * SECOND, "partition": 3, "ordinal": 70,
        "lane": "ib", "order": "1", "delayed": 0, "receive_ts": now - SECOND, "stale_after": 300_000, "filled": "",
    }
    valkey.keys = {"md:sources": {"A": f"ib:{END} gone:1 other:{END}"}, "md:trade:A:ib": trade,
                   "md:lane:3:ib": {"from": 70, "ordinal": 71}}

    def ask(symbols=("A",), kinds=("trade",), sources=(), fresh=None):
        return hot.latest(symbols, kinds, sources, fresh, lambda: now)

    one, other, nothing = ask(("A", "B"))
    equal((one.values, one.ordinal, one.partition, one.lane, one.age, one.event_time, one.origin, one.is_stale),
          ({"price": 1.5, "size": None, "exchange": "Q"}, 70, 3, "ib", 1.0, now - 2 * SECOND, "tape", False))
    equal((one.feed.state, one.behind, one.unknown), ("unknown", None, None))
    equal((other.source, other.unknown, nothing.source, nothing.unknown),
          ("other", "Valkey has none", None, "Valkey has no source of it"))
    check("ordinal 70" in repr(ask()) and "unknown" in repr(ask()), repr(ask()))
    equal(len(ask(sources=("ib",), fresh=SECOND)), 1)
    with raises(tapeline.Stale, r"0.5 s old: A trade ib: 1.000 s old"):
        ask(sources=("ib",), fresh=SECOND // 2)
    with raises(tapeline.Stale, r"A trade other: Valkey has none"):
        ask(fresh=SECOND)
    frame = ask(("A", "B")).table().to_polars()
    equal(frame["price"].to_list(), [1.5, None, None])
    equal(frame["unknown"].to_list()[0], None)
    valkey.keys["md:trade:A:ib"] = {**trade, "ordinal": 69, "filled": "database"}
    lower = ask(sources=("ib",))[0]
    check(lower.values is None and "ordinal 70" in lower.unknown, lower)
    valkey.keys["md:trade:A:ib"] = {**trade, "ordinal": 71, "filled": "database"}
    equal([(one.ordinal, one.origin) for one in ask(sources=("ib",))], [(71, "database")])
    # Ordinals of another lane are not compared with these.
    valkey.keys["md:trade:A:ib"] = {**trade, "ordinal": 1, "lane": "manual"}
    equal([one.ordinal for one in ask(sources=("ib",))], [1])
    bar = {**trade, "open": 1, "high": 2, "low": 1, "close": 2, "volume": 3, "vwap": "", "trades": 4,
           "close_ts": now - 400 * SECOND, "order": "2", "ordinal": ""}
    valkey.keys["md:bar:A:1m:ib"] = bar
    found = ask(kinds=("bar 1m",), sources=("ib",))[0]
    equal((found.values["close"], found.ordinal, found.age, found.is_stale), (2.0, None, 400.0, True))
    valkey.keys["md:bar:A:1m:ib"] = {**bar, "order": "1"}
    check("older" in ask(kinds=("bar 1m",), sources=("ib",))[0].unknown)
    proofs(valkey, trade, now)
    odd(trade, now)
    many(trade, now)


class _Known:
    """The heads of lanes: each is at the ordinal 75."""

    def of(self, lanes):
        from tapeline.heads import LaneHead

        return {lane: LaneHead(75, None, None, False) for lane in lanes}


def proofs(valkey, trade, now):
    """How far Valkey is behind is known of a value in the unbroken run of its lane alone."""
    from tapeline import latest
    from tapeline.heads import LaneHead
    from tapeline.latest import HotState, Memory, OpenGaps

    for ordinal, run, behind in [
        (70, {"from": 70, "ordinal": 71}, 4), (70, {"from": 71, "ordinal": 71}, None),
        (80, {"from": 72, "ordinal": 71}, 4), (70, {"ordinal": 71}, None), (70, {}, None),
        ("", {"from": 70, "ordinal": 71}, None),
    ]:
        valkey.keys = {"md:trade:A:ib": {**trade, "ordinal": ordinal}, "md:lane:3:ib": run}
        found = HotState(valkey, "md", _Known(), Memory()).latest(("A",), ("trade",), ("ib",), None, lambda: now)[0]
        equal((found.unknown, found.behind), (None, behind))
    # The value is replaced after it was read: an answer of which nothing is behind has the newer one.
    for many, asked in ((latest._MANY, 1), (0, 1), (0, 2)):
        valkey.keys = {"md:trade:A:ib": {**trade, "ordinal": 70}, "md:lane:3:ib": {"from": 60, "ordinal": 70}}
        newer = {"md:trade:A:ib": {**trade, "ordinal": 75}, "md:lane:3:ib": {"from": 60, "ordinal": 75}}
        hot, latest._MANY = HotState(valkey, "md", _Known(), Memory()), many
        try:
            for left in range(asked, 0, -1):
                valkey.after = [newer] if left == 1 else []
                found = hot.latest(("A",), ("trade",), ("ib",), None, lambda: now)[0]
        finally:
            latest._MANY = 1_000
        equal((found.ordinal, found.behind), (75, 0) if asked == 1 else (70, 5))
    # Of many the values of the sources that were there last are asked for with the sources, whenever these end. Others
    # are asked for then.
    first, second = {**trade, "ordinal": 70}, {**trade, "ordinal": 71}
    valkey.keys = {"md:trade:A:ib": first, "md:trade:A:b": second, "md:lane:3:ib": {"from": 60, "ordinal": 75}}
    hot, latest._MANY = HotState(valkey, "md", _Known(), Memory()), 0
    try:
        for text, sources, rounds in (
            (f"ib:{END}", ["ib"], 2), (f"ib:{END - 1}", ["ib"], 1), (f"ib:{END} b:{END}", ["b", "ib"], 2),
            (f"b:{END} ib:{END}", ["b", "ib"], 1), (f"b:{END - 1} ib:{END}", ["b", "ib"], 1),
            (f"b:{END} ib:{now // 10**6 - 1:013}", ["b"], 2), (f"b:{END} ib:{END}", ["b", "ib"], 2),
            ("", [], 2), ("ib:1", [], 1), ("ib", [], 1), (f"ib:{END}", ["ib"], 2), (None, [], 2),
        ):
            valkey.keys["md:sources"], valkey.rounds = {"A": text}, 0
            found = hot.latest(("A",), ("trade",), (), None, lambda: now)
            equal([(one.source, one.ordinal) for one in found],
                  [(one, {"ib": 70, "b": 71}[one]) for one in sources] or [(None, None)])
            equal(valkey.rounds, rounds, text)
    finally:
        latest._MANY = 1_000
    # What is missing of a symbol: of its own, and of all of its source and partition.
    gaps = {("A", "ib", "trade", 3): 2, (None, "ib", "trade", 3): 1, ("A", "ib", "quote", 3): 4,
            ("B", "ib", "trade", 3): 8, (None, "ib", "trade", 7): 16}
    for told, expected in [
        (OpenGaps(gaps, {3: 1}), 3), (OpenGaps({}, {3: 1}), 0), (OpenGaps(gaps, {7: 1}), None), (None, None),
    ]:
        equal(HotState(valkey, "md", _Known(), Memory()).latest(
            ("A",), ("trade",), ("ib",), None, lambda: now, lambda _: told)[0].gaps, expected)
    # A store that stands still does not know what came since.
    for stored, is_near in ((95, True), (90, True), (89, False)):
        head = LaneHead(75, 99 * SECOND, None, False, 95 * SECOND)
        equal(OpenGaps({}, {3: stored * SECOND}).is_near(head, 3), is_near)
    check(not OpenGaps({}, {3: 1}).is_near(None, 3), "no head is known")


def odd(trade, now):
    """A value with an odd field is unknown, and the others are answered."""
    from tapeline.heads import Heads
    from tapeline.latest import HotState, Memory
    from tapeline.valkey import ValkeyError

    for field, text in [("partition", ""), ("partition", "x"), ("ordinal", "x"), ("receive_ts", ""),
                        ("stale_after", ""), ("ts", "x"), ("price", "x")]:
        valkey = _Scripted()
        valkey.keys = {"md:trade:A:ib": {**trade, field: text}, "md:trade:B:ib": trade}
        first, second = HotState(valkey, "md", Heads(None), Memory()).latest(
            ("A", "B"), ("trade",), ("ib",), None, lambda: now)
        equal((first.values, second.ordinal), (None, 70))
        check(field in first.unknown and repr(text) in first.unknown, first)
    valkey = _Scripted()
    valkey.keys = {"md:trade:A:ib": trade, "md:lane:3:ib": {"from": "x", "ordinal": 71}}
    valkey.keys["md:sources"] = {"A": f"ib:{END}", "B": "ib:x odd"}

    def ask():
        return HotState(valkey, "md", Heads(None), Memory()).latest(("A", "B"), ("trade",), (), None, lambda: now)

    first, second = ask()
    equal((first.ordinal, first.behind, second.unknown), (70, None, "Valkey has no source of it"))
    valkey.ask = lambda group: [ValkeyError("WRONGTYPE it")]
    equal([one.unknown for one in ask()], ["WRONGTYPE it"] * 2)


def many(trade, now):
    """Of many values, those that are looked at one by one are those of a walk; their commands are kept, and are sent
    again for the same symbols alone."""
    from tapeline import latest, latest_values
    from tapeline.heads import Heads
    from tapeline.latest import HotState, Memory
    from tapeline.valkey import PIPELINE, Valkey, ValkeyAddress, _answers, columns

    scripted, sent = _Scripted(), []
    symbols = [f"S{number}" for number in range(PIPELINE + 200)]
    scripted.keys["md:sources"] = dict.fromkeys(symbols, f"ib:{END}")
    for number, symbol in enumerate(symbols):
        price = "x" if number == 3 else number
        scripted.keys[f"md:trade:{symbol}:ib"] = {**trade, "ordinal": number + 1, "price": price}
    del scripted.keys[f"md:trade:S{PIPELINE + 5}:ib"]

    class Link(Valkey):
        def _exchange(self, pieces):
            sent.append(pieces)
            found = []
            for piece in pieces:
                commands = piece.written.decode().split("\r\n*")
                block = b"".join(scripted._answer(one if one[0] == "*" else "*" + one) for one in commands)
                found.append((columns if piece.width else _answers)(block, piece.commands, piece.width))
                if piece.check is not None:
                    piece.check(found[-1])
            return found

    hot = HotState(Link(ValkeyAddress("linked", 1)), "md", Heads(None), Memory())

    def ask(wanted, sources=(), kinds=("trade",)):
        sent.clear()
        return hot.latest(wanted, kinds, sources, None, lambda: now)

    first, second = ask(symbols), ask(symbols)
    walked = list(first)
    equal(len(walked), len(symbols))
    # The first ones are read one by one, and the later ones with all others.
    order = [5, 3, PIPELINE + 5, *range(2 * latest_values._FEW), -1]
    equal([second[place] for place in order], [walked[place] for place in order])
    equal([one.values and one.values["price"] for one in walked[2:5]], [2.0, None, 4.0])
    equal([one.unknown for one in walked[PIPELINE + 4 : PIPELINE + 7]], [None, "Valkey has none", None])
    equal(second.of("S7"), walked[7:8])
    equal(second.of("NOTHING"), [])
    # The kept commands are the same ones, and none of other symbols, sources or kinds.
    equal(len(sent), 1)
    kept = sent[0][-2:]
    ask(symbols)
    check(all(one is other for one, other in zip(sent[0][-2:], kept)), "they are made again")
    equal([one.symbol for one in ask(symbols[1:])[:2]], ["S1", "S2"])
    equal([one.source for one in ask(symbols, ("other",))[:2]], ["other", "other"])
    equal([one.kind for one in ask(symbols, ("other",), ("quote", "trade"))[:2]], ["quote", "trade"])
    equal(ask(symbols, ("ib",))[9].ordinal, 10)
    before, latest.KEPT_MAX = latest.KEPT_MAX, 10
    try:
        ask(symbols[2:])
        equal(hot._last.symbols, symbols)
    finally:
        latest.KEPT_MAX = before


def _soon(desk, symbol, wanted, **more):
    """Asks until an answer is as wanted. Returns it."""
    for _ in range(TRIES):
        found = desk.latest(symbol, kinds="trade", **more)[0]
        if wanted(found):
            return found
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"it is never as wanted: {found}")


def server(symbol):
    import tapeline
    from tapeline import latest
    from tapeline.valkey import Group, Valkey, command

    desk = tapeline.connect(tape=True, valkey=os.environ["TAPELINE_VALKEY"])
    valkey = Valkey(_address(os.environ["TAPELINE_VALKEY"]))
    namespace = desk.origin.namespace
    one = _soon(desk, symbol, lambda found: found.behind == 0)
    equal((one.source, one.ordinal, one.values["price"], one.origin, one.unknown), ("test", 2, 2.0, "tape", None))
    check(one.feed.state in ("live", "silent") and one.age > 0, one)
    equal([found.unknown is None for found in desk.latest([symbol, "NOTHING"])], [True, False, False, False])
    equal(one.gaps, None)
    stored = tapeline.connect(valkey=os.environ["TAPELINE_VALKEY"])
    found = _soon(stored, symbol, lambda found: found.gaps == 1, gaps=True)
    equal((found.ordinal, found.feed.state in ("live", "silent")), (2, True))
    equal(stored.latest(symbol, kinds="trade", gaps=True).table().to_polars()["gaps"].to_list(), [1])
    # A writer keeps what it knows, also after a flush: never a lower ordinal, and soon the same one.
    equal(valkey.ask(Group([command("FLUSHALL")], str)), [b"OK"])
    for found in desk.latest(symbol, kinds="trade"):
        check(found.unknown is not None or found.ordinal == 2, found)
    equal(_soon(desk, symbol, lambda found: found.unknown is None).ordinal, 2)
    valkey.ask(Group([command("HSET", f"{namespace}:trade:{symbol}:test", "ordinal", "1")], str))
    check("older one" in desk.latest(symbol, kinds="trade")[0].unknown)
    with raises(tapeline.Stale, "older one"):
        desk.latest(symbol, kinds="trade", fresh="1h")
    # Another process has answered nothing yet.
    latest.MEMORY.__init__()
    equal(desk.latest(symbol, kinds="trade")[0].ordinal, 1)
    with raises(tapeline.NotReachable, "refuses: WRONGPASS"):
        tapeline.connect(tape=True, valkey="valkey://wrong:wrong@127.0.0.1:" + str(valkey.address.port)).latest(symbol)
    with raises(tapeline.NotReachable, "does not answer"):
        tapeline.connect(tape=True, valkey="valkey://127.0.0.1:1").latest(symbol)
    for wrong in ({"symbols": []}, {"symbols": None}, {"symbols": "A", "kinds": "bar"}, {"symbols": "A", "kinds": "x"}):
        with raises(tapeline.TapelineError, "symbols|kinds"):
            desk.latest(**wrong)


if __name__ == "__main__":
    sys.path.insert(0, base.PACKAGE)
    {"rules": rules, "server": server}[sys.argv[1]](*sys.argv[2:])
    print(f"{checks.count} checks passed")
