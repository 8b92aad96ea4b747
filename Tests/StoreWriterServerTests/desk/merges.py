"""The merge of a simulation, by table and by seeds, and the parts of batches."""

import random

from desk.checks import check, equal


def merged(streams, order):
    """Returns the packets that a merge gives, as (known, stream, number). Streams deliver in this order."""
    from tapeline import simulation

    merge, given, places = simulation.Merge(len(streams)), [], [0] * len(streams)
    names = {}
    for stream in order:
        place = places[stream]
        places[stream] += 1
        if place < len(streams[stream]):
            packet = simulation.Packet(streams[stream][place])
            names[id(packet)] = packet, stream, place
            merge.add(stream, packet)
        else:
            merge.end(stream)
        while (packet := merge.next()) is not None:
            given.append((packet.known, *names[id(packet)][1:]))
        # Nothing is given while a stream may still have something earlier.
        check(merge.wants is not None or len(given) == sum(map(len, streams)))
    equal(merge.wants, None)
    return given


def merges():
    for streams, expected in [
        ([[], []], []),
        ([[1, 3], [2]], [(1, 0, 0), (2, 1, 0), (3, 0, 1)]),
        # At equal times the lower stream comes first, with all that it has of that time.
        ([[5, 5], [5]], [(5, 0, 0), (5, 0, 1), (5, 1, 0)]),
        # The clock of the first stream goes back.
        ([[9, 4], [8, 9]], [(8, 1, 0), (9, 0, 0), (9, 0, 1), (9, 1, 1)]),
    ]:
        order = [one for one, packets in enumerate(streams) for _ in range(len(packets) + 1)]
        equal(merged(streams, order), expected)
        equal(merged(streams, order[::-1]), expected)
    for seed in range(200):
        some = random.Random(seed)
        streams = [[some.randrange(20) for _ in range(some.randrange(12))] for _ in range(some.randrange(1, 5))]
        order = [one for one, packets in enumerate(streams) for _ in range(len(packets) + 1)]
        some.shuffle(order)
        given = merged(streams, order)
        expected = sorted(
            (max(packets[: place + 1]), stream, place)
            for stream, packets in enumerate(streams) for place in range(len(packets))
        )
        equal(given, expected, f"seed {seed}")
    parts()
    clocks()
    leaders()
    subjects()


def subjects():
    """A reading of values has those over all partitions, whatever the partitions of its symbols."""
    import types

    from tapeline.tape_bars import bar_subjects

    tape = types.SimpleNamespace(namespace="md")
    equal(bar_subjects(tape, [0, 2]), ("md.bars.0", "md.bars.2", "md.all.universe"))
    equal(bar_subjects(tape, [2]), ("md.bars.2",))
    equal(bar_subjects(tape, [2], with_values=True), ("md.bars.2", "md.all.universe"))


def leaders():
    """The server that leads the bars is 50 ms behind the one that leads the ticks, and no bar comes before the ticks
    that it is made of. A wait has an end."""
    from desk.versions import MINUTE, decoded
    from tapeline import simulation
    from tapeline.reading import Head
    from tapeline.watermarks import Watermarks

    begin, second, shift = 100 * MINUTE, 10**9, 50 * 10**6

    def run(ticks, bars, source="test", selected=(), partitions=(0,)):
        """Returns what comes in which order: ticks are (taken, watermark), bars (taken, open time)."""
        one = object.__new__(simulation.Simulation)
        one._watermarks, one._sources = Watermarks(list(partitions), [0]), selected
        merge, given = simulation.Merge(2, one._is_early), []
        for taken, promise in ticks:
            merge.add(0, simulation.Packet(taken, Head(1, 0, source, 1, 1, promise, taken, 0)))
        for taken, opened in bars:
            rows = decoded([("A", "1m", opened, 1, 0, taken, 0)])
            merge.add(1, simulation.Packet(taken, Head(2, 0, "operator", 1, 1, 0, taken, 0), [("bars", rows)]))
        merge.end(0)
        merge.end(1)
        while (packet := merge.next()) is not None:
            one._watermarks.note(packet.head)
            given.append((packet.head.kind, packet.known))
        equal([known for _, known in given], sorted(known for _, known in given))
        return given

    # A tick each second, and its promise. The minutes close with the promises that end them.
    ticks = [(begin + n * second, begin + n * second) for n in range(200)]
    bars = [(begin + n * MINUTE - shift + 1, begin + (n - 1) * MINUTE) for n in (1, 2, 3)]
    # A member of a group, or a source that was not selected as well.
    for source, selected in (("test", ()), ("member", ()), ("test", ("test",))):
        given = run(ticks, bars, source, selected)
        places = [place for place, (kind, _) in enumerate(given) if kind == 2]
        # The tick of the full minute comes first, so many ticks and bars are before each bar.
        equal(places, [61, 122, 183], source)
        equal([given[place][1] for place in places], [begin + n * MINUTE for n in (1, 2, 3)])
    # Without ticks of the partition, after their end, and 10 s after it was taken, a bar does not wait.
    equal([given[0] for given in [run(ticks, bars[:1], partitions=(1,))[60:]]], [(2, bars[0][0])])
    equal(run(ticks[:3], bars[:1])[-1], (2, bars[0][0]))
    late = [(begin + n * second, 0) for n in range(30)]
    equal([kind for kind, _ in run(late, [(begin + 1, begin)])].index(2), 11)


def parts():
    from tapeline import columns

    fields = [columns.Field(name, kind) for name, kind in (
        ("a", "l"), ("b", "dict"), ("c", "S"), ("d", "C"), ("e", "wide"), ("f", "ts"))]
    for seed in range(100):
        some = random.Random(seed)
        rows = [
            tuple(some.choice((None, value)) for value in (n - 5, str(n % 3), n, n % 250, n - 2**70, n))
            for n in range(some.randrange(1, 40))
        ]
        whole = columns.batch(fields, rows, {})
        start = some.randrange(len(rows))
        end = some.randrange(start, len(rows)) + 1
        found = columns.part(whole, start, end)
        equal([*zip(*(column.values() for column in found.columns))], rows[start:end], f"seed {seed}")
        equal(len(found), end - start)


class _Decoder:
    """Notes the times with which packets come, and refuses the packet of one sequence once."""

    def __init__(self, refused):
        self.refused, self.times = refused, []

    def feed_one(self, link, message, time):
        from tapeline.decoder import Hole

        if message.sequence == self.refused:
            self.refused = 0
            raise Hole("operator", 1, 1, 1)
        self.times.append(time)
        return False


def clocks():
    """Within a partition the time of the tape never falls, also over packets without rows, and a packet that was
    read again does not count twice."""
    import ctypes

    from tapeline import reading, transport

    kept = []

    def message(sequence, partition, time, source=b"operator"):
        data = reading.HEADER.pack(0, 88, 0, 1, 1, 0, 0, partition, 2, 0, source)
        kept.append(ctypes.create_string_buffer(data, len(data)))
        return transport.Message(ctypes.addressof(kept[-1]), b"md.bars.1", sequence, time, 0, len(data), 0)

    given = []
    decoder = _Decoder(4)
    one = reading.Reading(
        None, [decoder], [], full=lambda: None, hole=lambda hole: None,
        packet=lambda head, known: given.append((head.partition, head.source, known)))
    messages = [
        message(1, 0, 50), message(2, 0, 90, b"universe"), message(3, 0, 60), message(4, 1, 60),
        message(5, 1, 99)]
    # The fourth packet is refused, and the fifth was not taken. Both come again.
    equal(one._each(None, messages, one.packet)[1], 4)
    equal(one._each(None, messages[3:], one.packet), (None, 0))
    equal(decoder.times, [50, 90, 90, 60, 99])
    equal(given, [(0, "operator", 50), (0, "universe", 90), (0, "operator", 90), (1, "operator", 60),
                  (1, "operator", 99)])
