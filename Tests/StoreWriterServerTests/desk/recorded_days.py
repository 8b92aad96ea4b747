"""Simulations of recordings beside those of the tapes that they were made of."""

import contextlib
import importlib
import itertools
import os

from desk.checks import check, equal, raises

SECOND = 10**9
WHO, SERIES = ("S0", "S5", "S4", "S1"), ("1s", "1m")
"""The symbols are of all four partitions."""
EVERYTHING = {
    "trades": "*", "quotes": "*", "depth": "*", "bars": {"*": SERIES}, "source": "test",
}
SELECTIONS = (
    EVERYTHING,
    {"trades": WHO[0], "quotes": WHO[1:3], "bars": {WHO[3]: "1s"}, "source": "test"},
    {"trades": WHO[:2], "price": "fixed", "source": "test"},
    {"bars": {name: SERIES for name in WHO}},
    {"quotes": WHO[3], "price": "decimal", "source": "test"},
)


def days(start, whole, torn, purged, no_bars, one):
    """The files are recordings of the tapes `whole`, `torn` and `purged`, without bars, and of one symbol.
    `start`: the event time of the first tick."""
    import tapeline

    start, folder = int(start) - SECOND, os.path.dirname(whole)
    for path in (whole, torn, purged):
        name = os.path.splitext(os.path.basename(path))[0]
        tape, file = tapeline.connect(tape=True, namespace=name), tapeline.open(path)
        same(tape, file, start, is_whole=path != purged)
    tape, file = tapeline.connect(tape=True, namespace="whole"), tapeline.open(whole)
    pieces(file, start)
    unknown(file, start)
    gone(tapeline.connect(tape=True, namespace="purged"), tapeline.open(purged), start)
    left_out(tape, tapeline.open(no_bars), tapeline.open(one), start)
    refused(file, start, folder)


def events(desk, start, end, missing="mark", **kinds):
    """Returns everything that a simulation gives, in its order: batches with all their values, and what raises in
    their midst. What is known before the first packet is not in it."""
    import tapeline

    found, number = [], 0
    with tapeline.simulate(desk, start, end, missing=missing, **kinds) as day:
        known = list(day.coverage)
        while True:
            number += 1
            try:
                one = next(day)
            except StopIteration:
                return found
            except tapeline.TapeHole as hole:
                equal("\n" in str(hole), False)
                if number > 1 or list(hole.missing) != known:
                    found.append(("hole", str(hole)))
                continue
            names = [field.name for field in one.fields]
            found.append((
                one.kind, one.known_at, one.watermark, one.seam, one.tz, names,
                [*zip(*(column.values() for column in one.columns))],
            ))


def without_purged(given):
    """Of a tape, what was purged is found at the first packet. A recording says it before."""
    return [one for one in given if one[0] != "hole" or "(purged" not in one[1]]


def same(tape, file, start, is_whole):
    """Batches, watermarks and lost ordinals are the same in each selection and time."""
    end = file.origin.info["to"]
    first = without_purged(events(tape, start, end, **EVERYTHING))
    kinds = {one[0] for one in first}
    check({"trades", "quotes", "depth", "gaps", "bars"} <= kinds, kinds)
    known = sorted({one[1] for one in first if one[0] != "hole"})
    check(len(known) > 60 and first[-1][2] is not None, len(known))
    spans = [(start, end), (start, None), (start, known[len(known) // 2])]
    for span, how, missing in itertools.product(spans, SELECTIONS, ("mark", "raise")):
        beside(tape, file, *span, missing, how)
    # Ends at which a loss shows just after them, or just before. Each takes two readings, so a few of them do.
    for place in [place for place, one in enumerate(first) if one[0] == "hole"][:2]:
        near = {one[1] for one in first[max(0, place - 3):place + 3] if one[0] != "hole"}
        for at in sorted({moment + delta for moment in near for delta in (0, 1)}):
            beside(tape, file, start, at, "mark", EVERYTHING)
    # Later starts. The rows of the time after them come with packets of the time after them, too: no packet comes
    # before the time of its rows.
    with changed("AHEAD_NS", 0, "packet_streams", "recorded_bars", "recorded_packets", "tape"):
        spans = [(known[place], end) for place in (1, len(known) // 3, len(known) // 2)]
        for span, how in itertools.product(spans, SELECTIONS):
            count = beside(tape, file, *span, "mark", how)
            if how == EVERYTHING:
                check(0 < count < len(first), span)
    # Bars that stop waiting between two packets, as if the server had stalled after the first one.
    for held in (100_000, 300_000, 1_000_000):
        with changed("HELD_NS", held, "simulation"):
            beside(tape, file, start, end, "mark", EVERYTHING)
    equal({one[0] for one in first} >= {"hole"}, "torn" in file.origin.path)
    if is_whole:
        import tapeline

        for how in SELECTIONS[1:2] + SELECTIONS[3:]:
            equal(list(tapeline.simulate(file, start, end, **how).coverage), [])


def beside(tape, file, start, end, missing, how):
    """Compares two simulations. Returns the number of their events."""
    # Without an end, a tape goes up to now.
    given = without_purged(events(tape, start, end or file.origin.info["to"], missing, **how))
    found = events(file, start, end, missing, **how)
    for place, (one, other) in enumerate(zip(given, found)):
        equal(one, other, start, end, how, place)
    equal(len(given), len(found), start, end, how)
    return len(given)


@contextlib.contextmanager
def changed(name, value, *modules):
    """Within it, modules of the package have another value of a constant."""
    found = [importlib.import_module(f"tapeline.{one}") for one in modules]
    kept = [getattr(one, name) for one in found]
    try:
        for one in found:
            setattr(one, name, value)
        yield
    finally:
        for one, own in zip(found, kept):
            setattr(one, name, own)


def pieces(file, start):
    """Small pieces give the same, and no more than one of each stream waits in memory."""
    from tapeline import packet_streams, recorded_packets, simulation

    expected, waiting = events(file, start, None, **EVERYTHING), []

    class Watched(simulation.Merge):
        def next(self):
            waiting.append(max(map(len, self._queues)))
            return super().next()

    kept = recorded_packets._PIECE_PACKETS, packet_streams._FLUSH_ROWS, simulation.Merge
    try:
        recorded_packets._PIECE_PACKETS, packet_streams._FLUSH_ROWS, simulation.Merge = 3, 2, Watched
        equal(events(file, start, None, **EVERYTHING), expected)
        recorded_packets._PIECE_PACKETS, recorded_packets._PIECE_BYTES = 1_000, 1
        equal(events(file, start, None, **EVERYTHING), expected)
    finally:
        recorded_packets._PIECE_PACKETS, packet_streams._FLUSH_ROWS, simulation.Merge = kept
        recorded_packets._PIECE_BYTES = 2 << 20
    check(0 < max(waiting) <= 3, max(waiting))


def coverage(file, start, end=None, **kinds):
    """Returns what a recording does not know, after it has raised it once and given the rest."""
    import tapeline

    marked = tapeline.simulate(file, start, end, missing="mark", **kinds)
    check(list(marked) or marked.coverage)
    with tapeline.simulate(file, start, end, **kinds) as day:
        equal(list(day.coverage), list(marked.coverage))
        if marked.coverage:
            with raises(tapeline.TapeHole, r"missing='mark' reads what there is"):
                next(day)
        check("simulation of" in repr(day) and "recording" in repr(day), repr(day))
    return [(one.cause, one.start, one.end, one.source, one.detail) for one in marked.coverage]


def unknown(file, start):
    """Time before and after the recording, and bars that are not complete."""
    info, end = file.origin.info, file.origin.info["to"]
    trades, bars = {"trades": WHO[0]}, {"bars": {WHO[0]: "1s"}}
    equal(coverage(file, start, **trades) + coverage(file, start, **bars), [])
    equal(coverage(file, start, end + 1, **trades), [("after the recording", end, end + 1, "test", "")])
    equal(coverage(file, start, trades="*", source=["test", "typo"]),
          [("the recording is of test", start, end, "typo", "")])
    equal(coverage(file, start, trades="TYPO"), [("nothing of it is recorded", start, end, "", "")])
    equal(coverage(file, start, bars={WHO[0]: ["1s", "7m"]}),
          [("nothing of it is recorded in the series 7m", start, end, "", "")])
    info["from"] = start - 9 * SECOND
    equal(coverage(file, start, **trades), [("before the recording", start, start + SECOND, "test", "")])
    equal(coverage(file, start + SECOND, **trades), [])
    info["from"] = None
    (stretch,) = [one for one in info["bars"] if one["partition"] == 0]
    stretch["from"] = start - 9 * SECOND
    equal(coverage(file, start, **bars),
          [("before the bars of the recording", start, start + SECOND, "", "partition 0")])
    equal(coverage(file, start, **trades), [])
    stretches = file.origin.bars._stretches
    del stretches[0]
    equal(coverage(file, start, **bars), [("the recording has no complete bars of it", start, end, "", "partition 0")])
    stretches[0], stretch["from"] = stretch, None
    stretch["to"] -= 7
    equal(coverage(file, start, end, **bars), [("after the recording", end - 7, end, "test", "")])
    equal(coverage(file, start, **bars) + coverage(file, start, end, **trades), [])
    stretch["to"] = end
    info["present"].remove(3)
    told = ("the recording has no bars of them", start, end, "", "partitions 3")
    check(told in coverage(file, start, bars={"*": "1s"}))
    info["present"].append(3)
    # A gateway whose clock is ahead: a packet from after the end may have been known before it.
    from tapeline import recorded_packets

    kept = recorded_packets.Head.read
    late = max(one[1] for one in events(file, start, None, **trades))

    def ahead(packet):
        head = kept(packet)
        return recorded_packets.replace(head, sent=late + 5)

    recorded_packets.Head.read = ahead
    try:
        ((cause, begin, until, *_),) = coverage(file, start, end, **trades)
        check((cause, until) == ("after the recording", end) and end - begin > 5, begin)
    finally:
        recorded_packets.Head.read = kept


def gone(tape, file, start):
    """What was purged of the tape before it was recorded is missing of the same time."""
    import tapeline

    end, holes = file.origin.info["to"], set()
    for policy in ("mark", "raise"):
        with tapeline.simulate(tape, start, end, missing=policy, **EVERYTHING) as day:
            while True:
                try:
                    next(day)
                except tapeline.TapeHole:
                    continue
                except StopIteration:
                    break
            holes |= {(one.start, min(one.end, end)) for one in day.coverage if one.cause == "purged"}
    told = coverage(file, start, **EVERYTHING)
    equal({one[1:3] for one in told}, holes)
    equal({one[0] for one in told}, {"before the recording", "before the bars of the recording"})
    check(any("partition 1 from ordinal " in one[4] for one in told), told)


def left_out(tape, no_bars, one, start):
    """Bars that were left out, and symbols that were not selected."""
    import tapeline

    ticks = {"trades": "*", "quotes": WHO, "source": "test"}
    end = no_bars.origin.info["to"]
    equal(events(no_bars, start, None, **ticks), events(tape, start, end, **ticks))
    for policy in ("mark", "raise"):
        with raises(tapeline.TapelineError, r"made without bars: record it again, or simulate .*tape=True"):
            tapeline.simulate(no_bars, start, missing=policy, bars={"*": "1s"})
    end, alone = one.origin.info["to"], {"trades": WHO[0], "bars": {WHO[0]: SERIES}, "source": "test"}
    equal(one.origin.info["symbols"], [WHO[0]])
    equal(coverage(one, start, **alone), [])
    equal(events(one, start, None, **alone), events(tape, start, end, **alone))
    told = ("not selected by the recording", start, end, "", "")
    equal(coverage(one, start, trades=WHO[1]), [told])
    equal(coverage(one, start, trades="*"), [(*told[:3], "test", "")])


def refused(file, start, folder):
    """Times outside, and a file that changes while it is read."""
    import tapeline

    with raises(tapeline.TapelineError, "the recording ends at .*, before the start"):
        tapeline.simulate(file, file.origin.info["to"], trades="*")
    with raises(tapeline.TapelineError, "nothing is selected"):
        tapeline.simulate(file, start)
    data = open(file.origin.path, "rb").read()
    path = f"{folder}/changed.tape"

    def opened(changed):
        with open(path, "wb") as out:
            out.write(changed)
        return tapeline.open(path)

    wrong = bytearray(data)
    wrong[len(data) // 2] ^= 1
    with raises(tapeline.DamagedTape, r"changed\.tape: byte \d+: "):
        tapeline.simulate(opened(wrong), start, trades="*")
    with tapeline.simulate(opened(data), start, trades="*", missing="mark") as day:
        open(path, "wb").close()
        with raises(tapeline.DamagedTape, "was changed while it was read: read it again"):
            next(day)
    desk = opened(data)
    os.remove(path)
    with raises(tapeline.NotReachable, "changed.tape"):
        tapeline.simulate(desk, start, trades="*")
