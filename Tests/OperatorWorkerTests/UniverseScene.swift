import MarketModel
import OperatorGraph
import Primitives
import ServiceTestSupport
import SimulationKit
import StreamCore
import TapeCodec
import TapeProtocol
import Testing

@testable import OperatorWorker

/// Two symbols in two of four partitions, with a trade a second each over two days, and a graph
/// that measures their breadth.
struct UniverseScene {
    static let day: Int64 = 86_400_000_000_000
    static let second: Int64 = 1_000_000_000
    /// A midnight.
    static let start: Int64 = 19_700 * day
    static let measures: [BreadthMeasure] = [
        .advanceDecline, .advanceDeclineRatio, .newHighs(days: 1), .newLows(days: 1),
        .aboveAverage(days: 1),
    ]

    let tape: TestTape
    private var sources: [TestSource]
    private var symbols: [UInt32] = []

    init(_ tape: TestTape) throws {
        self.tape = tape
        let name = try #require(SourceName("test"))
        sources = (0..<tape.names.partitions).map { TestSource(tape, Partition($0), source: name) }
        for partition in 0..<2 {
            symbols.append(
                sources[partition].register(
                    SymbolDefinition(
                        symbol: try #require(Symbol(Self.symbol(partition))), provider: "test",
                        since: Timestamp(nanoseconds: Self.start - Self.day))))
        }
    }

    static func symbol(_ partition: Int) -> String { partition == 0 ? "UP" : "DOWN" }

    static func graph(warmsUp: Bool = false) throws -> GraphDefinition {
        let rule = BreadthRule(
            series: try #require(SeriesName("1s")), universe: [], measures: measures,
            warmsUp: warmsUp)
        return GraphDefinition.simple(try BarSeriesSet(["1s"])).measuring(rule)
    }

    /// The same with a scan that lists each symbol with a price.
    static func scanning() throws -> GraphDefinition {
        try graph().scanning(
            ScanRule(
                series: try #require(SeriesName("1s")),
                condition: TickExpression(
                    text: "close > 0", instructions: [.field(.close), .number(0), .greater]),
                numbers: [.close]))
    }

    /// Adds one trade of each symbol in that second of a day, at random prices.
    mutating func trade(_ second: Int64, ofDay day: Int64, _ random: inout SeededRandom) throws {
        let time = Timestamp(
            nanoseconds: Self.start + day * Self.day + second * Self.second + 1)
        for partition in 0..<2 {
            let header = TickHeader(
                symbol: symbols[partition], resolution: TimeResolution.nanosecond.rawValue,
                providerTime: time, receiveTime: time)
            let price = 100 + Int64(random.next() % 50)
            sources[partition].append(
                Trade(
                    header: header, price: Price(raw: price * 1_000_000_000),
                    size: Quantity(raw: 100_000_000)))
        }
        try advance(to: second + 1, ofDay: day)
    }

    /// Adds the provider's historical bar of the day before the first one: a high of 150, a low of
    /// 100 and a close of 125.
    mutating func addDayBefore() throws {
        let midnight = Timestamp(nanoseconds: Self.start)
        for partition in 0..<2 {
            var bar = ProviderBar(
                header: TickHeader(
                    symbol: symbols[partition], flags: .backfilled, providerTime: midnight,
                    receiveTime: midnight),
                openTime: midnight.advanced(byNanoseconds: -Self.day), closeTime: midnight,
                kind: .trades)
            (bar.high, bar.low, bar.close) = (
                Price(raw: 150_000_000_000), Price(raw: 100_000_000_000),
                Price(raw: 125_000_000_000)
            )
            let daily = bar
            sources[partition].append { $0.append(daily) }
        }
        try advance(to: 0, ofDay: 0)
    }

    /// Advances the watermark of all partitions, including those without ticks.
    mutating func advance(to second: Int64, ofDay day: Int64) throws {
        let watermark = Timestamp(
            nanoseconds: Self.start + day * Self.day + second * Self.second)
        for partition in sources.indices {
            try sources[partition].publish(watermark: watermark)
        }
    }
}

/// The content of `md.all.universe`, and what is wrong with it.
struct ValuesOnTape {
    struct Plain: Hashable, CustomStringConvertible {
        var name: String
        var start: Int64
        var value: Int128
        var revision: UInt64

        var description: String { "\(name) \(start) \(value) \(revision)" }
    }

    private(set) var values: [Plain] = []
    private(set) var problems: [String] = []
    private(set) var epochs: Set<UInt64> = []
    private(set) var generations: Set<UInt32> = []

    init(_ tape: TestTape) throws {
        var ledger = OutputLedger(published: nil)
        let packets = try tape.packets(
            stream: tape.names.barStream, subject: tape.names.universeValues)
        for packet in packets {
            if packet.header.firstOrdinal != UInt64(values.count + 1) {
                problems.append("ordinal \(packet.header.firstOrdinal) follows \(values.count)")
            }
            if packet.header.source != .universe || packet.header.partition.number != 0 {
                problems.append("another source")
            }
            epochs.insert(packet.header.epoch)
            packet.payload.withRawSpan { bytes in
                var cursor = RecordCursor()
                while let record = cursor.next(in: bytes) {
                    guard case .other(let message) = record,
                        let value = message.indicatorValue(in: bytes)
                    else { continue }
                    _ = ledger.record(value, of: nil)
                    values.append(
                        Plain(
                            name: value.name, start: value.periodStart.nanoseconds,
                            value: value.value, revision: value.revision))
                }
                guard let state = PacketReader.outputState(of: bytes) else { return }
                generations.insert(state.generation)
                if state.checksum != ledger.checksum { problems.append("another checksum") }
            }
        }
    }

    /// Computes the same values from the bars on the tape, in the simplest way.
    static func naive(_ tape: TestTape) throws -> [Plain] {
        var closes: [Int64: [Int: Bar]] = [:]
        for partition in 0..<2 {
            for (start, bar) in try BarsOnTape(tape, partition).newest("1s") {
                closes[start, default: [:]][partition] = bar
            }
        }
        var values: [Plain] = []
        for start in closes.keys.sorted() {
            var (advancing, declining, highs, lows, known) = (0, 0, 0, 0, 0)
            for partition in 0..<2 {
                let past = closes.keys.filter { $0 <= start }.sorted()
                func bars(_ day: Int64) -> [Bar] {
                    past.filter { $0 / UniverseScene.day == day }
                        .compactMap { closes[$0]?[partition] }
                }
                let day = start / UniverseScene.day
                let (today, before) = (bars(day), bars(day - 1))
                guard let close = today.last?.close, let previous = before.last?.close else {
                    continue
                }
                known += 1
                advancing += close.raw > previous.raw ? 1 : 0
                declining += close.raw < previous.raw ? 1 : 0
                let (high, low) = (today.map(\.high.raw).max(), today.map(\.low.raw).min())
                if let high, before.allSatisfy({ $0.high.raw < high }) { highs += 1 }
                if let low, before.allSatisfy({ $0.low.raw > low }) { lows += 1 }
            }
            let numbers: [Int128?] = [
                Int128(advancing - declining), declining == 0 ? nil : Int128(advancing),
                Int128(highs), Int128(lows), known == 0 ? nil : Int128(advancing),
            ]
            let divisors = [1, declining, 1, 1, known]
            for (index, measure) in UniverseScene.measures.enumerated() {
                let value = numbers[index].map { $0 * 1_000_000_000 / Int128(divisors[index]) }
                values.append(plain(measure.name, start, value ?? IndicatorValue.undefined))
                values.append(
                    plain("\(measure.name).symbols", start, Int128(known) * 1_000_000_000))
            }
        }
        return values
    }

    private static func plain(_ name: String, _ start: Int64, _ value: Int128) -> Plain {
        Plain(name: "market.\(name)", start: start, value: value, revision: 0)
    }
}
