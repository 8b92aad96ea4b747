"""Which version of a bar stands, and which one was known at a time: against all versions in a list."""

import contextlib
import random

from desk.checks import check, equal, raises

MINUTE = 60 * 10**9
SYMBOLS, SERIES = ("A", "B"), ("1s", "1m")


def decoded(rows):
    """Returns decoded bars. Each row is (symbol, series, open time, close, flags, taken at, partition), and when it was
    sent, if that was not when it was taken."""
    from tapeline import columns, versions

    return columns.batch(versions.DECODED, [
        (opened, opened + MINUTE, symbol, "test", series, 0, close, close, close, close, close, 10**8, close,
         1, 0, 2, 0, 1, flags, "closed", sent[0] if sent else taken, taken, partition)
        for symbol, series, opened, close, flags, taken, partition, *sent in rows
    ], {})


def made(seed):
    """Returns versions of two partitions on a tape whose clock goes back sometimes."""
    some, clock = random.Random(seed), [10**15, 10**15]
    rows = []
    for number in range(some.randrange(1, 80)):
        partition = some.randrange(2)
        clock[partition] += some.choice((0, 1, 900, 10**9, -(5 * 10**9)))
        rows.append((
            SYMBOLS[partition], some.choice(SERIES), some.randrange(4) * MINUTE + some.choice((0, 999)),
            number, some.choice((0, 0, 1, 8)), clock[partition], partition))
    return rows


def expected(rows, series, until, begin):
    """Returns what a selection has: symbol, series, open time, version, close and known at."""
    highest, bars = {}, {}
    for symbol, name, opened, close, flags, known, partition in rows:
        highest[partition] = max(highest.get(partition, 0), known)
        at = -(-highest[partition] // 1_000) * 1_000
        if not series or name in series:
            bars.setdefault((opened // 1_000 * 1_000, symbol, name), []).append((close, flags, at))
    found = []
    for (opened, symbol, name), all_versions in sorted(bars.items()):
        known = [one for one in all_versions if until is None or one[2] <= until // 1_000 * 1_000]
        if known and not known[-1][1] & 8 and opened >= begin:
            found.append((symbol, name, opened, len(known), known[-1][0], known[-1][2]))
    return found


def versions():
    import tapeline
    from tapeline import selection, versions as own

    names = ("symbol", "series", "open_time", "version", "close", "known_at")
    for seed in range(300):
        rows, some = made(seed), random.Random(-seed)
        series = some.choice(((), ("1m",)))
        until = some.choice((None, some.choice(rows)[5], some.choice(rows)[5] + 1_000))
        begin = some.choice((0, MINUTE))
        found = own.Versions(selection.Wanted("bars", series=series, as_of=until))
        place = 0
        while place < len(rows):
            count = some.randrange(1, 9)
            found.add(decoded(rows[place : place + count]))
            place += count
        kept = found.rows(lambda symbol: begin)
        told = [
            row for one in found.batches(kept)
            for row in zip(*(one[name] for name in names))
        ]
        equal(told, expected(rows, series, until, begin), f"seed {seed}")
        equal(len(list(own.partial(kept))), sum(not row[15] for row in kept), f"seed {seed}")
    whole = own.Versions(selection.Wanted("bars", whole_only=True))
    whole.add(decoded([("A", "1m", 0, 1, 0, 5, 0), ("A", "1m", MINUTE, 2, 1, 6, 0)]))
    equal([one["close"] for one in whole.batches(whole.rows())], [[1]])
    equal(whole.bars, {("A", "1m")})
    kept, own.KEPT_MAX = own.KEPT_MAX, 1
    try:
        with raises(tapeline.TapelineError, "more than 1 bars: select less time"):
            whole.add(decoded([("A", "1m", 2 * MINUTE, 3, 0, 7, 0)]))
    finally:
        own.KEPT_MAX = kept
    check(whole.rows(lambda symbol: None))
    endless()
    clocks()
    gaps()


def gaps():
    """Of a time before a gap was filled, or before it was found, its records say what was known then."""
    from tapeline import coverage

    def record(received, state, ordinal):
        return coverage.GapRecord(
            "test", 0, "A", "trade", 10 * MINUTE, 20 * MINUTE, received, state, "disconnected", "", 1, ordinal)

    records = [record(20 * MINUTE, "open", 1), record(60 * MINUTE, "filled", 2)]
    for as_of, count in ((None, 0), (20 * MINUTE - 1, 0), (20 * MINUTE, 1), (60 * MINUTE - 1, 1), (60 * MINUTE, 0)):
        equal(len(coverage.stretches(records, as_of)), count, as_of)


def clocks():
    """A version is known from the latest time on that a clock says, and where they disagree nothing is."""
    import tapeline
    from tapeline import selection, versions as own

    end, second = 100 * MINUTE, 10**9
    opened = end - MINUTE
    for taken, sent, doubt in [
        # The three agree; the clock of NATS is three seconds behind, an hour, and an hour ahead.
        (end + 100, end + 1, False), (end - 3 * second, end + 1, True),
        (end - 60 * MINUTE, end + 1, True), (end + 60 * MINUTE, end + 1, True),
        # That of the operator is behind, and ahead. Both are behind: the window's end is left.
        (end + 1, end - 60 * MINUTE, True), (end + 1, end + 60 * MINUTE, True),
        (end - second, end - second, False), (end - second - 1_000, end - second, True),
    ]:
        known = -(-max(taken, sent, end) // 1_000) * 1_000
        begin = -(-min(taken, sent) // 1_000) * 1_000
        for at in (begin - 1, begin, known - 1, known):
            found = own.Versions(selection.Wanted("bars", as_of=at))
            found.add(decoded([("A", "1m", opened, 1, 0, taken, 0, sent)]))
            if doubt and begin <= at // 1_000 * 1_000 < known:
                with raises(tapeline.NotKnown, "clocks disagree from .* to "):
                    found.require_known()
                continue
            found.require_known()
            equal([row[20] for row in found.rows()], [known] if at >= known else [], taken, sent, at)


def endless():
    """A reading without an end keeps its memory, and names versions whose number it does not know any more."""
    from tapeline import live_bars, versions as own

    refused, kept = [], own.COUNTED_MAX
    own.COUNTED_MAX = 8
    try:
        bars = live_bars.LiveBars((), {}, {}, refused.extend)

        def taken(series, opened):
            found = bars.taken(decoded([("A", series, opened * MINUTE, 1, 0, 5, 0)]))
            return found["version"] if found else None

        equal(taken("1d", 0), [1])
        for opened in range(100):
            equal(taken("1s", opened), [1])
            check(len(bars._numbering.versions) <= 8, opened)
        equal((taken("1s", 99), taken("1s", 98), refused), ([2], [2], []))
        # The series with fewer bars is not forgotten.
        equal(taken("1d", 0), [2])
        equal(taken("1s", 3), None)
        (one,) = refused
        equal((one.symbol, one.source, one.start, one.end), ("A", "test", 3 * MINUTE, 4 * MINUTE))
        check("the bar of 1s came so late" in one.cause, one.cause)
        # Only a selection of the past is refused.
        past = own.Numbering(())
        with raises(own.TapelineError, "more than 8 bars: select less time"):
            past.rows(decoded([("A", "1s", number * MINUTE, 1, 0, 5, 0) for number in range(9)]))
    finally:
        own.COUNTED_MAX = kept
    behind()


def behind():
    """A reading of the tape begins with a packet from before its window by both clocks, also where the tape's was
    behind, and what it took after a time seems to be from before it."""
    from tapeline import selection, tape_bars

    class Tape:
        namespace, bar_stream, partitions = "md", "MD_BARS", 1

        def partitions_for(self, wanted):
            return [0]

        def linked(self):
            return contextlib.nullcontext(self)

    second, count = 10**9, 3_000
    for moves in ({}, {900: -40}, {900: -400, 1_000: 0}, {300: 500, 400: 0, 1_000: -15}):
        offset, packets = 0, []
        for at in range(1, count):
            offset = moves.get(at, offset)
            packets.append(((at + offset) * second, at * second))

        def first(link, stream, filters, *, start):
            found = (number for number, (taken, _) in enumerate(packets, 1) if taken >= start)
            number = next(found, None)
            return number and (max(packets[number - 1]), number, number)

        kept, tape_bars.first_stored = tape_bars.first_stored, first
        try:
            for start in (5, 900, 950, 1_010, 1_200, 2_980):
                begin = tape_bars.TapeBars(Tape(), selection.Wanted("bars", start=start * second))._first()
                # A window is closed ten seconds before its end at most, by a clock that is ahead.
                left_out = [sent for _, sent in packets[: max(0, begin - 1)] if sent > (start - 10) * second]
                equal(left_out, [], f"{moves} {start}")
                check(begin >= 1 and (begin > 1 or start < 1_300), moves, start)
        finally:
            tape_bars.first_stored = kept
