import Foundation
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

/// Versions of bars of two symbols, two series and two sources, as an operator publishes them.
private struct BarTape {
    /// The open time of the first window.
    static let start = DeskTape.start / 60_000_000_000 * 60_000_000_000
    private static let windows = 4

    private(set) var source: TestSource
    private var random: SeededRandom
    /// When the tape took each packet, in nanoseconds.
    private(set) var taken: [Int64] = []

    init(_ tape: TestTape, _ symbols: [Symbol], seed: UInt64) throws {
        source = TestSource(tape, Partition(1), source: .operator, kind: .bars)
        // Only the tape says when bars were known.
        source.sendTime = .undefined
        random = SeededRandom(seed: seed)
        for symbol in symbols.prefix(2) {
            for name in ["test", "desk-2"] {
                source.define(symbol, of: SourceName(name))
            }
        }
        for (name, width) in [("1s", 1_000_000_000), ("1m", 60_000_000_000)] {
            try source.define(series: name, nanoseconds: Int64(width))
        }
    }

    private mutating func below(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }

    private mutating func append() {
        let isMinute = below(2) == 1
        let width: Int64 = isMinute ? 60_000_000_000 : 1_000_000_000
        // The database has microseconds.
        let odd = isMinute ? 0 : Int64(below(2)) * 700
        let open = Timestamp(nanoseconds: Self.start + Int64(below(Self.windows)) * width + odd)
        var bar = Bar(
            from: open.nanoseconds, width: width, symbol: UInt32(below(4)), series: isMinute ? 1 : 0
        )
        bar.close = below(6) == 0 ? .undefined : Price(raw: Int64(bitPattern: random.next()) / 4)
        bar.volume = Int128(below(1_000)) * 1_000_000_000
        bar.notional = Int128(below(1_000_000)) * 1_000_000_000_001
        bar.trades = UInt64(below(100))
        bar.excluded = Bar.Excluded(
            condition: UInt32(below(3)), oddLot: 2, filter: UInt32(below(2)), undefined: 1)
        bar.flags = BarFlags(rawValue: [0, 2, 1, 7, 8, 18][below(6)])
        bar.reason = UInt8(below(6))
        source.append(bar)
    }

    mutating func publish(packets: Int, skipping: Int? = nil) throws {
        let tape = source.tape
        for number in 0..<packets {
            for _ in 0...below(9) { append() }
            if number == skipping { source.skip = 5 }
            let watermark = Timestamp(nanoseconds: Self.start + 600_000_000_000)
            let sequence = try source.publish(watermark: watermark)
            let message = try tape.client.jetStream.message(
                stream: tape.names.barStream, sequence: sequence)
            taken.append(try #require(message).time.nanoseconds)
        }
    }
}

/// Bars of a recording in the Python package.
extension DeskPackageTests {
    /// Records the tape up to now.
    private static func record(_ tape: TestTape, to path: String) throws {
        let outcome = Result {
            try run(
                ProductPrograms.path("tapeline"), ["record", "-o", path, "--source", "test"],
                environment: tape.environment)
        }
        // Part of the range is missing, as it has to be.
        if case .failure(let failure as ProgramFailure) = outcome, failure.status == 2 { return }
        _ = try outcome.get()
    }

    @Test("bars of a recording are those of the database, as they stand and at any time")
    func recordedBars() throws {
        let bench = try WriterBench("writer_desk_recorded")
        let seed = Seeds.one()
        print("TAPELINE_SEED=\(seed)")
        var ticks = DeskTape(seed: seed)
        // So many that each symbol is traded.
        let packets = try ticks.packets(40)
        let torn = try TestTape(bench.tape.server, namespace: "tornrecorded")
        for tape in [bench.tape, torn] { try Self.publish(packets, to: tape) }
        var bars = try BarTape(bench.tape, ticks.symbols, seed: seed)
        try bars.publish(packets: 20)
        var tornBars = try BarTape(torn, ticks.symbols, seed: seed)
        try tornBars.publish(packets: 6, skipping: 3)
        let running = try bench.start(membership: HandMembership(bench.records, takes: [1]))
        let last = bars.source.nextOrdinal - 1
        let isStored = try eventually {
            try bench.database.psql(
                "SELECT last_ordinal FROM sink_source_ordinals WHERE input = 'bars'")
                == "\(last)"
        }
        #expect(isStored, "\(running.reasons)")
        let folder = try TemporaryFolder("bars")
        let files = ["day.tape", "torn.tape", "bare.tape"].map { folder.file($0) }
        try Self.record(bench.tape, to: files[0])
        try Self.record(torn, to: files[1])
        try Data(ticks.recording(packets)).write(to: URL(fileURLWithPath: files[2]))
        // The database answers up to its last packet; after a minute it does not tell more.
        let known = bars.taken.dropLast().map { "\($0)" }.joined(separator: ",")
        try expectPassed(
            ["recorded"] + files + ["\(BarTape.start)", known], bench.environment(),
            script: "desk_tape.py")
        try running.stop()
    }
}
