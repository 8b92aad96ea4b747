import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter

/// Both stores read one tape, and are asked the same.
@Suite(
    "What was known at a time, as ClickHouse and PostgreSQL say it", .serialized,
    .enabled(if: ClickHouseBench.obstacle == nil, "\(ClickHouseBench.obstacle ?? "")"))
struct ClickHouseAsOfTests {
    private static let questions = 1_000
    /// The whole hour in which all windows begin.
    private static let start: Int64 = 1_699_999_200_000_000_000
    private static let hour: Int64 = 3_600_000_000_000

    /// What is asked, with times in microseconds.
    private struct Question {
        let time: Int64
        let symbols: [String]
        let series: String
        let windows: Range<Int64>

        func postgres(_ market: String) -> String {
            func moment(_ time: Int64) -> String {
                "timestamptz 'epoch' + \(time) * interval '1 us'"
            }
            return """
                SELECT concat_ws(' ', symbol, series, (extract(epoch FROM ts) * 1000000)::bigint,
                    number, source, coalesce(trim_scale(close)::text, '-'),
                    coalesce(trim_scale(volume)::text, '-'), coalesce(trim_scale(vwap)::text, '-'),
                    coalesce(trades::text, '-'), coalesce(excluded::text, '-'),
                    coalesce(reason, '-'), is_filled::integer, is_whole::integer)
                FROM \(market).bars_as_of(\(moment(time)), '{\(symbols.joined(separator: ","))}',
                    '\(series)', \(moment(windows.lowerBound)), \(moment(windows.upperBound)))
                ORDER BY symbol, ts, number, source
                """
        }

        var clickhouse: String {
            func moment(_ time: Int64) -> String { "fromUnixTimestamp64Micro(\(time), 'UTC')" }
            let names = symbols.map { "'\($0)'" }.joined(separator: ", ")
            let values = [
                "symbol", "series", "toString(toUnixTimestamp64Micro(ts))", "toString(number)",
                "source", "ifNull(toString(close), '-')", "ifNull(toString(volume), '-')",
                "ifNull(toString(vwap), '-')", "ifNull(toString(trades), '-')",
                "ifNull(toString(excluded), '-')", "ifNull(toString(reason), '-')",
                "toString(toInt64(ifNull(filled, false)))",
                "toString(toInt64(NOT ifNull(partial, false)))",
            ]
            return """
                SELECT CAST(concat(\(values.joined(separator: ", ' ', "))) AS String)
                FROM bars_as_of(at = \(moment(time)))
                WHERE symbol IN (\(names)) AND series = '\(series)'
                    AND ts >= \(moment(windows.lowerBound)) AND ts < \(moment(windows.upperBound))
                    AND NOT ifNull(withdrawn, false)
                ORDER BY symbol, ts, number, source
                """
        }
    }

    /// Publishes versions of 24 bars: of two symbols of two sources, in three windows of two
    /// series. Returns how many.
    private func publish(_ source: inout TestSource, _ random: inout SeededRandom) throws -> Int {
        for symbol in ["AAPL", "MSFT"] {
            for name in ["desk-1", "desk-2"] { try source.define(symbol, of: name) }
        }
        for (name, width) in [("1s", 1_000_000_000), ("1h", Self.hour)] {
            try source.define(series: name, nanoseconds: width)
        }
        var count = 0
        for _ in 0..<60 { count += try publishPacket(&source, &random, after: count) }
        return count
    }

    /// Publishes some bars, and returns how many.
    private func publishPacket(
        _ source: inout TestSource, _ random: inout SeededRandom, after before: Int
    ) throws -> Int {
        var count = before
        for _ in 0..<Int.random(in: 1...8, using: &random) {
            let isHour = Bool.random(using: &random)
            let width = isHour ? Self.hour : 1_000_000_000
            var bar = Bar(
                from: Self.start + Int64.random(in: 0..<3, using: &random) * width,
                width: width, symbol: UInt32.random(in: 0..<4, using: &random),
                series: isHour ? 1 : 0)
            count += 1
            bar.close = Price(raw: Int64(count) * 1_000_000_001)
            bar.volume = Int128(count) * 100_000_001
            if Bool.random(using: &random) { bar.vwap = Price(raw: Int64(count)) }
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bar.flags = .withdrawn
            case 1: bar.flags = .partial
            case 2: bar.flags = .filled
            default: break
            }
            source.append(bar)
        }
        // The operator's clock is ahead or behind by less than what is disputed.
        source.sendTime = SystemClock().now().advanced(
            byNanoseconds: Int64.random(in: -400...400, using: &random) * 1_000_000)
        try source.publish(watermark: .undefined)
        return count - before
    }

    private func question(_ known: [Int64], _ random: inout SeededRandom) -> Question {
        let isHour = Bool.random(using: &random)
        let width = isHour ? Self.hour / 1_000 : 1_000_000
        let first = Self.start / 1_000 + Int64.random(in: 0..<3, using: &random) * width
        let end = first + Int64.random(in: 1...3, using: &random) * width
        let symbols = [["AAPL"], ["MSFT"], ["AAPL", "MSFT"]].randomElement(using: &random) ?? []
        let time = known.randomElement(using: &random) ?? 0
        return Question(
            time: time + Int64.random(in: -1...1, using: &random), symbols: symbols,
            series: isHour ? "1h" : "1s", windows: first..<end)
    }

    @Test("1,000 questions about bars are answered alike")
    func alike() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        let bench = try ClickHouseBench("wchasof")
        try bench.migrate()
        let postgres = try WriterBench(
            bench.tape, TestDatabase("writer_chasof", schema: "wchasof"))
        var source = TestSource(bench.tape, Partition(0), source: .operator, kind: .bars)
        var count = try publish(&source, &random)
        let writers = [
            try bench.start(),
            try postgres.start(membership: HandMembership(postgres.records, takes: [0])),
        ]
        try postgres.database.expectSoon(
            "SELECT count(*) FROM wchasof_market.bar_versions WHERE known_at < now()", "\(count)",
            "\(writers[1].reasons)")
        // The tape goes on after each time that is asked for.
        let asked = count
        count += try publishPacket(&source, &random, after: count)
        try postgres.database.expectSoon(
            "SELECT count(*) FROM wchasof_market.bar_versions", "\(count)")
        #expect(
            try eventually(within: 60) {
                try bench.rows("SELECT toString(count()) FROM bar_versions") == [["\(count)"]]
            }, "\(writers[0].service.log.text)")
        for writer in writers { #expect(try writer.stop() == .success) }

        let known = try postgres.database.psql(
            "SELECT (extract(epoch FROM known_at) * 1000000)::bigint "
                + "FROM wchasof_market.bar_versions ORDER BY close LIMIT \(asked)"
        ).split(separator: "\n").compactMap { Int64($0) }
        #expect(known.count == asked)
        let session = try postgres.database.connectWriter()
        var (rows, differing) = (0, [String]())
        for _ in 0..<Self.questions {
            let one = question(known, &random)
            let found = try session.execute(one.postgres("wchasof_market"))
            let wanted = (0..<found.rowCount).compactMap { found[$0, 0] }
            let answer = try bench.rows(one.clickhouse).map { $0[0] }
            rows += wanted.count
            if answer != wanted { differing.append("\(one): \(answer), not \(wanted)") }
        }
        #expect(differing.isEmpty, "seed \(seed): \(differing.count): \(differing.prefix(2))")
        // They are not all empty.
        #expect(rows > Self.questions)
    }
}
