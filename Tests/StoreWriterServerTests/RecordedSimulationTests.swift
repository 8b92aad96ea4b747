import MarketModel
import NatsTransport
import Primitives
import Seeds
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

/// Simulations of recordings in the Python package, beside those of their tapes.
extension DeskPackageTests {
    /// The instruments of the market, one in each partition.
    private static let names = ["S0", "S5", "S4", "S1"]

    /// Returns a tape with the market of a seed.
    private static func market(
        _ server: NatsServer, _ name: String, seed: UInt64, start: Timestamp, skipsAt: Int? = nil
    ) throws -> TestTape {
        let tape = try TestTape(server, namespace: name)
        var market = try DayMarket(tape, names, seed: seed, start: start)
        for round in 0..<DayMarket.rounds {
            if round == skipsAt { market.lose() }
            try market.publish(round)
        }
        return tape
    }

    private static func record(
        _ tape: TestTape, to path: String, _ options: [String], upTo end: String
    ) throws {
        let arguments = ["record", "-o", path, "--source", "test", "--to", end] + options
        let outcome = Result {
            try run(ProductPrograms.path("tapeline"), arguments, environment: tape.environment)
        }
        // Part of the range is missing, as it has to be.
        if case .failure(let failure as ProgramFailure) = outcome, failure.status == 2 { return }
        _ = try outcome.get()
    }

    @Test("a simulation of a recording is that of the tape, or it says what the recording lacks")
    func recordedDays() throws {
        let seed = Seeds.one()
        let server = try NatsServer()
        let start = SystemClock().now()
        let whole = try Self.market(server, "whole", seed: seed, start: start)
        let torn = try Self.market(
            server, "torn", seed: seed, start: start, skipsAt: DayMarket.rounds / 2)
        let purged = try Self.market(server, "purged", seed: seed, start: start)
        let client = purged.client.jetStream
        _ = try client.purge(stream: purged.names.tickStream(1), below: 20)
        _ = try client.purge(
            stream: purged.names.barStream, subject: purged.names.bars(Partition(2)), below: 40)
        let folder = try TemporaryFolder("days")
        let end = "\(SystemClock().now())"
        let files = ["whole", "torn", "purged", "no-bars", "one"].map { folder.file("\($0).tape") }
        try Self.record(whole, to: files[0], [], upTo: end)
        try Self.record(torn, to: files[1], [], upTo: end)
        try Self.record(purged, to: files[2], [], upTo: end)
        try Self.record(whole, to: files[3], ["--no-bars"], upTo: end)
        try Self.record(whole, to: files[4], [Self.names[0]], upTo: end)
        let arguments = ["days", "\(start.nanoseconds)"] + files
        let told = Result {
            try check(arguments, whole.environment, script: "desk_tape.py")
        }
        switch told {
        case .success(nil): return
        case .success(let text?):
            #expect(text.hasSuffix("checks passed"), "TAPELINE_SEED=\(seed): \(text)")
        case .failure(let error): Issue.record("TAPELINE_SEED=\(seed): \(error)")
        }
    }
}

/// Ticks of two sources, gaps, watermarks and versions of bars in all partitions. Packets were sent
/// in another order than the tape took them.
private struct DayMarket {
    static let rounds = 60
    private static let second: Int64 = 1_000_000_000

    private let tape: TestTape
    private let start: Timestamp
    private var ticks: [TestSource] = []
    private var others: [TestSource] = []
    private var bars: [TestSource] = []
    private var watermarks: [TestSource] = []
    private var values: TestSource
    private var random: SeededRandom
    private var count: Int64 = 0

    init(_ tape: TestTape, _ names: [String], seed: UInt64, start: Timestamp) throws {
        (self.tape, self.start) = (tape, start)
        random = SeededRandom(seed: seed)
        values = TestSource(tape, TapeNames.universeHome, source: .universe, kind: .bars)
        let (own, other) = (try #require(SourceName("test")), try #require(SourceName("other")))
        for number in names.indices {
            let partition = Partition(number)
            let symbol = try #require(Symbol(names[number]))
            try #require(tape.names.partition(of: symbol) == partition)
            ticks.append(Self.source(tape, partition, own, symbol))
            others.append(Self.source(tape, partition, other, symbol))
            watermarks.append(TestSource(tape, partition, source: own, kind: .watermark))
            var lane = TestSource(tape, partition, source: .operator, kind: .bars)
            for source in [own, other] {
                lane.define(symbol, of: source)
            }
            for (name, width) in [("1s", Self.second), ("1m", 60 * Self.second)] {
                try lane.define(series: name, nanoseconds: width)
            }
            bars.append(lane)
        }
    }

    private static func source(
        _ tape: TestTape, _ partition: Partition, _ name: SourceName, _ symbol: Symbol
    ) -> TestSource {
        var lane = TestSource(tape, partition, source: name)
        lane.define(symbol, provider: "ib")
        return lane
    }

    private mutating func below(_ count: UInt64) -> Int { Int(random.next() % count) }

    /// Leaves out ordinals of ticks and of bars, as if packets were lost.
    mutating func lose() {
        ticks[2].skip = 5
        bars[1].skip = 7
    }

    mutating func publish(_ round: Int) throws {
        // Some of a packet's ticks are from before a later start, and some from after it.
        let now = start.advanced(byNanoseconds: Int64(round) * Self.second)
        for _ in 0..<4 {
            let place = below(4)
            switch below(8) {
            case 0..<3: ticks[place] = try published(ticks[place], now)
            case 3: others[place] = try published(others[place], now)
            case 4..<6:
                for _ in 0...below(3) { append(to: place, now) }
                bars[place].sendTime = sent()
                try bars[place].publish(watermark: now)
            case 6:
                watermarks[place].sendTime = sent()
                let subject = tape.names.watermarks(stream: place, watermarks[place].source)
                let packet = watermarks[place].seal(watermark: now).bytes
                try TestSource.put(packet, on: subject, of: tape)
            default: try values.publish(watermark: .undefined)
            }
        }
        if round % 20 == 3 { try publishGap(now) }
        // Each lane of the other source promises something: otherwise one seed of 500 has no
        // watermark.
        guard round == 1 else { return }
        for place in others.indices { others[place] = try published(others[place], now) }
    }

    /// Any time before the recordings end. Of one lane, too, it may go back.
    private mutating func sent() -> Timestamp {
        start.advanced(byNanoseconds: -Int64(below(3_600)) * Self.second)
    }

    private mutating func published(_ given: TestSource, _ now: Timestamp) throws -> TestSource {
        var lane = given
        for _ in 0...below(4) {
            count += 1
            let time = now.advanced(byNanoseconds: Int64(below(20)) * Self.second + count)
            let header = TickHeader(symbol: 0, providerTime: time, receiveTime: time)
            let price = Price(raw: count * 1_000_000_000)
            switch below(4) {
            case 0, 1:
                lane.append(Trade(header: header, price: price, size: Quantity(raw: count)))
            case 2:
                lane.append(
                    Quote(
                        header: header, bidPrice: price, bidSize: .undefined, askPrice: .undefined,
                        askSize: Quantity(raw: count), bidExchange: .empty, askExchange: .empty))
            default:
                lane.append { builder in
                    builder.append(DepthReset(header: header, reason: .halted))
                }
            }
        }
        lane.sendTime = sent()
        // Some bars have to wait for it.
        try lane.publish(watermark: now.advanced(byNanoseconds: Int64(below(900)) * Self.second))
        return lane
    }

    private mutating func publishGap(_ now: Timestamp) throws {
        let place = below(4)
        let header = TickHeader(symbol: 0, providerTime: .undefined, receiveTime: now)
        let to = now.advanced(byNanoseconds: Self.second)
        ticks[place].append { builder in
            builder.append(
                GapRecord(
                    header: header, from: now, to: to, kind: .trade, reason: .gatewayLost,
                    state: .open, detail: "of a test")) == .appended
        }
        ticks[place].sendTime = sent()
        try ticks[place].publish(watermark: now)
    }

    private mutating func append(to place: Int, _ now: Timestamp) {
        let series = UInt16(below(2))
        let width = series == 0 ? Self.second : 60 * Self.second
        let open = now.advanced(byNanoseconds: Int64(below(8)) * width)
        count += 1
        var bar = Bar(
            from: open.nanoseconds, width: width, symbol: UInt32(below(2)), series: series,
            close: Price(raw: count * 1_000_000_000))
        switch below(10) {
        case 0, 1: bar.flags = .partial
        case 2: bar.flags = .withdrawn
        default: break
        }
        bars[place].append(bar)
    }
}
