import MarketModel
import NatsTransport
import Primitives
import Seeds
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import StoreWriter

/// Bars of the tape in the Python package, beside those that a writer has stored of it.
extension DeskPackageTests {
    @Test("bars of the tape are those of the database, and a simulation is what a live reading was")
    func bars() throws {
        let seed = Seeds.one()
        print("TAPELINE_SEED=\(seed)")
        let bench = try WriterBench("writer_desk_bars")
        var market = try DeskMarket(bench.tape, seed: seed)
        for round in 0..<DeskMarket.rounds { try market.publish(round) }
        let running = try bench.start()
        try bench.database.expectSoon(
            "SELECT sum(last_ordinal) FROM sink_source_ordinals", "\(market.ordinals)",
            "TAPELINE_SEED=\(seed): \(running.reasons)")
        try running.stop()
        let server = bench.tape.server
        var torn = try DeskMarket(try TestTape(server, namespace: "tornbars"), seed: seed)
        for round in 0..<DeskMarket.rounds {
            if round == DeskMarket.rounds / 2 { torn.loseBars() }
            try torn.publish(round)
        }
        let young = try TestTape(server, namespace: "youngbars")
        var purged = try DeskMarket(young, seed: seed)
        for round in 0..<DeskMarket.rounds { try purged.publish(round) }
        _ = try young.client.jetStream.purge(
            stream: young.names.barStream, subject: young.names.bars(Partition(0)), below: 9)
        try expectPassed(
            ["bars", "tornbars", "youngbars"], bench.environment(), script: "desk_tape.py")
    }
}

/// Trades of two symbols, and versions of their bars: partial ones, withdrawn ones, and many of the
/// same window.
private struct DeskMarket {
    static let rounds = 40
    /// 2023-11-14T14:31:00Z, on a day that the bench has made.
    private static let start: Int64 = 1_699_972_260_000_000_000
    private static let second: Int64 = 1_000_000_000
    /// Windows of each series that get versions at random.
    private static let revised: Int64 = 6
    /// Of the symbols S0 and S1.
    private static let partitions = [0, 3]

    private var ticks: [TestSource]
    private var bars: [TestSource]
    /// Its packets count for the time of the bars of partition 0.
    private var values: TestSource
    private var random: SeededRandom
    private var closes: Int64 = 0

    init(_ tape: TestTape, seed: UInt64) throws {
        random = SeededRandom(seed: seed)
        let source = try #require(SourceName("test"))
        (ticks, bars) = ([], [])
        for (number, partition) in Self.partitions.enumerated() {
            let symbol = try #require(Symbol("S\(number)"))
            var lane = TestSource(tape, Partition(partition), source: source)
            lane.define(symbol, provider: "ib")
            ticks.append(lane)
            lane = TestSource(tape, Partition(partition), source: .operator, kind: .bars)
            lane.define(symbol, of: source)
            for (name, width) in [("1s", Self.second), ("1m", 60 * Self.second)] {
                try lane.define(series: name, nanoseconds: width)
            }
            // Only the tape says when bars were known.
            lane.sendTime = .undefined
            bars.append(lane)
        }
        values = TestSource(tape, TapeNames.universeHome, source: .universe, kind: .bars)
        values.sendTime = .undefined
    }

    /// How many ticks and bars were published.
    var ordinals: UInt64 {
        (ticks + bars).reduce(0) { $0 + $1.nextOrdinal - 1 }
    }

    /// Leaves out ordinals of the second symbol's bars, as if a packet was lost.
    mutating func loseBars() { bars[1].skip = 7 }

    mutating func publish(_ round: Int) throws {
        let now = Self.start + Int64(round) * Self.second
        let watermark = Timestamp(nanoseconds: now)
        for place in ticks.indices {
            for number in 0..<3 {
                let time = Timestamp(nanoseconds: now + Int64(number) * 1_000_001)
                let header = TickHeader(symbol: 0, providerTime: time, receiveTime: time)
                ticks[place].append(
                    Trade(
                        header: header, price: Price(raw: Int64(round + 1) * 1_000_000_000),
                        size: Quantity(raw: 100_000_000)))
            }
            // No bar has to wait for it.
            try ticks[place].publish(
                watermark: watermark.advanced(byNanoseconds: 3_600 * Self.second))
            if round == 0 { appendStanding(to: place) }
            for _ in 0..<(1 + random.next() % 4) { append(to: place) }
            try bars[place].publish(watermark: watermark)
        }
        if round % 7 == 0 { try values.publish(watermark: .undefined) }
    }

    /// Appends bars that no later version replaces: of each series some that are whole, and one
    /// that is not. What the reader expects of any market does not depend on the seed then.
    private mutating func appendStanding(to place: Int) {
        for series in UInt16(0)..<2 {
            for window in Self.revised..<Self.revised + 3 {
                append(to: place, series, window, window == Self.revised ? .partial : [])
            }
        }
    }

    private mutating func append(to place: Int) {
        let series = UInt16(random.next() % 2)
        let window = Int64(random.next() % UInt64(Self.revised))
        let flags: BarFlags =
            switch random.next() % 10 {
            case 0, 1: .partial
            case 2: .withdrawn
            default: []
            }
        append(to: place, series, window, flags)
    }

    private mutating func append(
        to place: Int, _ series: UInt16, _ window: Int64, _ flags: BarFlags
    ) {
        let width = series == 0 ? Self.second : 60 * Self.second
        let open = Timestamp(nanoseconds: Self.start + window * width)
        let close = open.advanced(byNanoseconds: width)
        var bar = Bar(symbol: 0, series: series, openTime: open, closeTime: close)
        closes += 1
        bar.close = Price(raw: closes * 1_000_000_000)
        bar.flags = flags
        bars[place].append(bar)
    }
}
