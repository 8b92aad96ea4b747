import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreSinks
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import StoreWriter

extension SeededRandom {
    fileprivate mutating func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &self) }
}

@Suite("Every version of a bar, and when it was known: writers on a real tape")
struct BarVersionTests {
    private static let start: Int64 = 1_700_000_000_000_000_000
    private static let hour: Int64 = 3_600_000_000_000

    /// One version as the oracle has it.
    private struct Version {
        /// The number of its window and source.
        let key: Int
        let revision: UInt64
        let close: Int64
        let isWithdrawn: Bool
        /// From when on it was known by some clock, and by all of them; in microseconds, rounded
        /// up.
        var begin: Int64 = 0
        var knownAt: Int64 = 0

        /// Whether clocks disagree by over a second about whether it was known.
        func isDisputed(at time: Int64) -> Bool {
            begin <= time && time < knownAt && knownAt - begin > 1_000_000
        }
    }

    /// Publishes bars of six windows and two sources, and holds every version of them.
    private struct Oracle {
        let bench: WriterBench
        var source: TestSource
        var versions: [Version] = []
        private var unpublished: [Version] = []
        /// The highest time of the tape so far.
        private var tapeTime: Int64 = 0

        init(_ bench: WriterBench) throws {
            self.bench = bench
            source = TestSource(bench.tape, Partition(1), source: .operator, kind: .bars)
            for name in ["desk-1", "desk-2"] {
                try source.define("AAPL", of: name)
            }
            for (name, width) in [("1s", 1_000_000_000), ("1h", BarVersionTests.hour)] {
                try source.define(series: name, nanoseconds: width)
            }
        }

        /// Appends the next version of a bar: keys below 6 are of desk-1. The first three of six
        /// are seconds, the others hours.
        mutating func append(_ key: Int, isWithdrawn: Bool) {
            let isHour = key % 6 >= 3
            let width = isHour ? BarVersionTests.hour : 1_000_000_000
            let first = BarVersionTests.start / BarVersionTests.hour * BarVersionTests.hour
            let open = Timestamp(nanoseconds: first + Int64(key % 3) * width)
            var bar = Bar(
                from: open.nanoseconds, width: width, symbol: key < 6 ? 0 : 1,
                series: isHour ? 1 : 0)
            let revision = source.nextOrdinal + source.skip + UInt64(unpublished.count)
            bar.close = Price(raw: Int64(revision) * 1_000_000_000)
            if isWithdrawn { bar.flags = .withdrawn }
            source.append(bar)
            unpublished.append(
                Version(
                    key: key, revision: revision, close: Int64(revision),
                    isWithdrawn: isWithdrawn))
        }

        /// `offset`: how far the operator's clock is ahead of that of NATS.
        mutating func publish(offset: Int64 = 0) throws {
            source.sendTime = SystemClock().now().advanced(byNanoseconds: offset)
            let sequence = try source.publish(watermark: .undefined)
            let names = bench.tape.names
            let stored = try bench.tape.client.jetStream.message(
                stream: names.barStream, sequence: sequence)
            tapeTime = max(tapeTime, try #require(stored).time.nanoseconds)
            let times = [tapeTime, source.sendTime.nanoseconds].map { ($0 + 999) / 1_000 }
            for var version in unpublished {
                (version.begin, version.knownAt) = (times.min() ?? 0, times.max() ?? 0)
                versions.append(version)
            }
            unpublished = []
        }

        /// Returns what `bars_as_of` has to answer, a line per bar.
        func known(at time: Int64) -> [String] {
            (0..<12).compactMap { key -> String? in
                let all = versions.filter { $0.key == key }
                let isUncertain = all.contains { $0.isDisputed(at: time) }
                let place = "\(key % 6 >= 3 ? "1h" : "1s")|desk-\(key < 6 ? 1 : 2)|\(key % 3)"
                guard let index = all.lastIndex(where: { $0.knownAt <= time }) else {
                    return isUncertain ? "\(place)||||t" : nil
                }
                let last = all[index]
                guard isUncertain || !last.isWithdrawn else { return nil }
                let values = "\(last.close)|\(index + 1)|\(last.knownAt)"
                return "\(place)|\(values)|\(isUncertain ? "t" : "f")"
            }.sorted()
        }
    }

    private static func time(_ microseconds: Int64) -> String {
        "timestamptz 'epoch' + \(microseconds) * interval '1 us'"
    }

    /// What the database says was known at these times, a line per bar, and a line per time.
    private static func asOf(_ times: [Int64]) -> String {
        let first = time(start / hour * hour / 1_000)
        return times.map { at in
            """
            SELECT 'at', \(at);
            SELECT b.series, b.source, round(extract(epoch FROM b.ts - (\(first)))
                    / CASE b.series WHEN '1h' THEN 3600 ELSE 1 END), b.close, b.version,
                (extract(epoch FROM b.known_at) * 1000000)::bigint, b.is_uncertain
            FROM unnest(ARRAY['1h', '1s']) AS s (name),
                wvers_market.bars_as_of(\(time(at)), '{AAPL}', s.name, '2023-11-14', '2023-11-16',
                    with_uncertain => true) AS b
            ORDER BY b.series, b.source, b.ts
            """
        }.joined(separator: ";\n")
    }

    @Test("two writers, restarts, any batches: at each moment what the tape had taken by then")
    func random() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        let bench = try WriterBench("writer_vers")
        var oracle = try Oracle(bench)
        var previous: RunningService?
        for round in 0..<6 {
            try publish(&oracle, &random)
            // Many packets in one batch, or each in its own. The last owner is still there.
            let running = try bench.start(
                [
                    "WRITER_BATCH_ROWS": ["1", "20", "5000"][random.below(3)],
                    "WRITER_BATCH_WAIT": "5ms",
                ], isEarly: random.below(2) == 0,
                membership: HandMembership(bench.records, takes: [1]))
            try publish(&oracle, &random)
            let last = oracle.source.nextOrdinal - 1
            try bench.database.expectSoon(
                "SELECT max(last_ordinal) FROM sink_source_ordinals", "\(last)",
                "seed \(seed), round \(round): \(running.reasons)")
            try previous?.stop()
            previous = running
        }
        try previous?.stop()
        let isPast = "SELECT bool_and(known_at < now()) FROM wvers_market.bar_versions"
        try bench.database.expectSoon(isPast, "t")
        let known = oracle.versions.flatMap { [$0.begin, $0.knownAt] }
        let times = (0..<80).map { _ in
            known[random.below(known.count)] + Int64(random.below(3)) - 1
        }
        let answers = try bench.database.psql(Self.asOf(times))
        let expected = times.flatMap { at in ["at|\(at)"] + oracle.known(at: at) }
        #expect(answers.split(separator: "\n").map(String.init) == expected, "seed \(seed)")
        // Nothing was known before the first packet.
        let first = (known.min() ?? 0) - 1
        try bench.database.expect(Self.asOf([first]), "at|\(first)")
        try expectComplete(bench, oracle, seed)
    }

    private func publish(_ oracle: inout Oracle, _ random: inout SeededRandom) throws {
        for _ in 0..<(1 + random.below(4)) {
            for _ in 0..<(1 + random.below(9)) {
                oracle.append(random.below(12), isWithdrawn: random.below(5) == 0)
            }
            try oracle.publish(
                offset: [-2_500, -500, 0, 0, 400, 1_500][random.below(6)] * 1_000_000)
        }
    }

    /// Each version is one row, and the audits know it. What is known now are the candles.
    private func expectComplete(_ bench: WriterBench, _ oracle: Oracle, _ seed: UInt64) throws {
        try bench.database.expect(
            """
            SELECT count(*), count(DISTINCT revision) FROM wvers_market.bar_versions;
            SELECT count(*) FROM bar_versions
            """,
            "\(oracle.versions.count)|\(oracle.versions.count)\n"
                + "\(oracle.versions.count - Set(oracle.versions.map(\.key)).count)", "seed \(seed)"
        )
        try Audit.expect("bars_stored", "versions_stored", in: bench.database, "seed \(seed)")
        let columns = """
            symbol, series, ts, close_time, open, close, volume, trades, is_whole, version, reason,
            number, source, is_filled, known_at
            """
        try bench.database.expect(
            """
            SELECT \(columns) FROM unnest(ARRAY['1h', '1s']) AS s (name),
                wvers_market.bars_as_of(now(), '{AAPL}', s.name, '2023-11-14', '2023-11-16')
            ORDER BY 2, 3, 13
            """,
            bench.database.psql(
                "SELECT \(columns) FROM wvers_market.candles ORDER BY 2, 3, 13"), "seed \(seed)")
        try bench.database.expect("TABLE version_losses", "")
    }

    @Test("bars that are lost, set aside or switched off leave a stretch that raises")
    func losses() throws {
        let bench = try WriterBench("writer_verl")
        var oracle = try Oracle(bench)
        oracle.append(0, isWithdrawn: false)
        try oracle.publish()
        var running = try bench.start()
        try bench.database.expectSoon("SELECT count(*) FROM bars", "1", "\(running.reasons)")
        // Five ordinals are missing on the tape.
        oracle.source.skip = 5
        oracle.append(1, isWithdrawn: false)
        try oracle.publish()
        let reasons = "SELECT string_agg(reason, ',' ORDER BY id) FROM version_losses"
        try bench.database.expectSoon(reasons, "hole", "\(running.reasons)")
        // A row that the database refuses.
        try bench.database.psql("ALTER TABLE bars_short ADD CONSTRAINT odd CHECK (close <> 8)")
        oracle.append(2, isWithdrawn: false)
        try oracle.publish()
        try bench.database.expectSoon(reasons, "hole,set_aside", "\(running.reasons)")
        try running.stop()
        running = try bench.start(["STORE_TABLES": "trades,late_ticks"])
        oracle.append(0, isWithdrawn: false)
        try oracle.publish()
        oracle.append(0, isWithdrawn: false)
        try oracle.publish()
        try bench.database.expectSoon(
            "SELECT max(last_ordinal) FROM sink_source_ordinals", "10", "\(running.reasons)")
        try running.stop()
        // One stretch of all that is of one kind and without a break.
        try bench.database.expect(reasons, "hole,set_aside,not_written")
        let firsts = oracle.versions.map(\.knownAt)
        let begin = try #require(oracle.versions.first?.begin)
        try bench.database.expect(
            """
            SELECT partition,
                (extract(epoch FROM from_at) * 1000000)::bigint >= \(begin - 1),
                (extract(epoch FROM to_at) * 1000000)::bigint
            FROM version_losses ORDER BY id
            """, "1|t|\(firsts[1])\n1|t|\(firsts[2])\n1|t|\(firsts[4])")
        try expectRaises(bench, firsts, before: begin)
    }

    @Test("a new database on a tape that was purged knows what it lacks")
    func purged() throws {
        let bench = try WriterBench("writer_verp")
        var oracle = try Oracle(bench)
        for key in [0, 1, 2] {
            oracle.append(key, isWithdrawn: false)
            try oracle.publish()
        }
        _ = try bench.tape.client.jetStream.purge(stream: bench.tape.names.barStream, below: 2)
        let running = try bench.start()
        try bench.database.expectSoon("SELECT count(*) FROM bars", "2", "\(running.reasons)")
        try running.stop()
        let known = oracle.versions.map(\.knownAt)
        try bench.database.expect(
            """
            SELECT partition, reason, from_at, (extract(epoch FROM to_at) * 1000000)::bigint
            FROM version_losses
            """, "1|purged|-infinity|\(known[1])")
        let writer = try bench.database.connectWriter()
        for at in [known[0], known[2]] {
            let said = writer.refusal(of: Self.asked("wverp", at), .uncertain)
            #expect(said.hasSuffix("are not stored: purged"), "\(said)")
        }
    }

    /// A question about bars of seconds.
    private static func asked(_ schema: String, _ at: Int64, _ more: String = "") -> String {
        """
        SELECT close, is_uncertain
        FROM \(schema)_market.bars_as_of(\(time(at)), '{AAPL}', '1s', '2023-11-14',
            '2023-11-16'\(more)) ORDER BY close
        """
    }

    /// Before the loss it is certain what was known. After it nothing is, and bars are marked.
    private func expectRaises(
        _ bench: WriterBench, _ known: [Int64], before begin: Int64
    ) throws {
        func ask(_ at: Int64, _ more: String = "") -> String { Self.asked("wverl", at, more) }
        let writer = try bench.database.connectWriter()
        #expect(try writer.execute(ask(begin - 2)).rowCount == 0)
        for at in [known[1], known[4]] {
            let said = writer.refusal(of: ask(at), .uncertain)
            #expect(said.contains("bars of partition 1 that the tape took"), "\(said)")
        }
        try bench.database.expect(ask(known[4], ", with_uncertain => true"), "1|t\n7|t")
        // A symbol of which nothing is stored may be of any partition.
        writer.refusal(of: ask(known[4]).replacing("AAPL", with: "MSFT"), .uncertain)
        // No window that begins later can lack a version.
        try bench.database.expect(
            ask(known[4]).replacing("'2023-11-14'", with: "now()").replacing(
                "'2023-11-16'", with: "'infinity'"), "")
    }

    @Test("the time of the tape never falls, and goes on from the position")
    func tapeTime() throws {
        func packet(_ time: Int64) throws -> NatsMessage {
            try NatsMessage(subject: "x", replyTo: "$JS.ACK.MD_BARS.writer-1.1.7.7.\(time).0")
        }
        var input = IntakeInput(durable: DurableMark(.commit))
        input.open(at: .undefined)
        let none = input.tape(try NatsMessage(subject: "x"))
        #expect(none == nil)
        #expect(!input.tapeTime.isDefined)
        for (time, known) in [(5_000, 5_000), (4_000, 5_000), (5_001, 5_001)] as [(Int64, Int64)] {
            let own = input.tape(try packet(time))
            #expect(own == Timestamp(nanoseconds: time))
            #expect(input.tapeTime == Timestamp(nanoseconds: known))
        }
        // Another writer goes on where this one has written.
        var other = IntakeInput(durable: DurableMark(.commit))
        other.open(at: Timestamp(nanoseconds: 5_000))
        _ = other.tape(try packet(4_500))
        #expect(other.tapeTime == Timestamp(nanoseconds: 5_000))
    }

    @Test("a replaced version of a time without a partition is stored, and nothing is set aside")
    func missingDay() throws {
        let scene = try StoreScene("writer_verd", input: .bars)
        func bar(_ close: Int64, _ time: Int64) {
            scene.add(Bar(from: time, close: Price(raw: close * 1_000_000_000)))
        }
        bar(1, StoreScene.time)
        try scene.write([scene.seal()])
        // As if the first one was stored before the tables of versions were made, or retention had
        // dropped the partition.
        try scene.psql(
            """
            DO $$
            DECLARE part record;
            BEGIN
                FOR part IN SELECT name FROM time_partitions('bar_versions') LOOP
                    EXECUTE format('DROP TABLE %I', part.name);
                END LOOP;
            END
            $$
            """)
        bar(2, StoreScene.time)
        bar(3, StoreScene.time)
        try scene.write([scene.seal()])
        try scene.expect(
            "SELECT close FROM bar_versions ORDER BY revision; SELECT close FROM bars", "1\n2\n3")
        #expect(try scene.letters().isEmpty)
        // Without a time of the tape none is claimed.
        try scene.expect("SELECT count(taken_at) FROM bar_versions", "0")
    }
}
