import DeploymentWatch
import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeTraces
import Testing

@testable import TapelineTool

@Suite("What tapeline trace is asked, and what it shows")
struct TraceReportTests {
    private static let now = Timestamp(nanoseconds: 1_750_000_000_000_000_000)

    private static func after(_ microseconds: Int64) -> Timestamp {
        now.advanced(byNanoseconds: microseconds * 1_000)
    }

    private func tick(
        provider: Timestamp = Self.now, stored: Timestamp = Self.after(4_000)
    ) throws -> TracedTick {
        var header = PacketHeader(
            kind: .ticks, partition: Partition(3), source: try #require(SourceName("ibkr")),
            epoch: 7, firstOrdinal: 1_040, watermark: Self.now, sendTime: Self.after(1_750))
        header.tickCount = 18
        let tick = TickHeader(symbol: 0, providerTime: provider, receiveTime: Self.after(1_000))
        return TracedTick(
            packet: TracedPacket(header: header, sequence: 99, stored: stored), ordinal: 1_042,
            kind: .trade, header: tick,
            values: .trade(Trade(header: tick, price: try Price("10"), size: try Quantity("5"))),
            symbol: SymbolDefinition(
                symbol: try #require(Symbol("AAPL")), provider: "ibkr", since: .undefined))
    }

    private func report(
        _ given: TracedTick? = nil, _ books: TraceBooks = TraceBooks(), nats: ClockOffset? = nil
    ) throws -> TraceReport {
        let tick = try given ?? tick()
        return TraceReport(
            tick: tick, books: books, nats: nats,
            trace: TraceID(namespace: 7, tick.packet.header))
    }

    private func step(_ name: String, _ report: TraceReport) throws -> TraceReport.Step {
        try #require(report.steps.first { $0.name == name })
    }

    @Test("each step has its time, whose clock says it, and how long it took since the last known")
    func steps() throws {
        var books = TraceBooks()
        books.row = .committed(Self.after(94_000))
        let report = try report(nil, books)
        #expect(
            report.steps.map(\.name)
                == ["happened", "received", "sealed", "acknowledged", "read", "committed"])
        #expect(
            report.steps.map(\.afterNanoseconds)
                == [nil, 1_000_000, 750_000, 2_250_000, nil, 90_000_000])
        #expect(report.lines[1].contains("trace \(report.trace): packet 1040 to 1057 "))
        #expect(report.lines[0] == "trade ibkr/3/1042:  AAPL  5 at 10")
        #expect(report.lines.contains { $0.contains("sealed") && $0.contains("+0.75 ms") })
        #expect(report.lines.contains { $0.contains("read") && $0.contains("not known") })
        let steps = try JSONValue.parse(report.json)["steps"]?.array
        #expect(
            steps?.map { $0["after_ns"]?.int } == [
                nil, 1_000_000, 750_000, 2_250_000, nil, 90_000_000,
            ])
        #expect(steps?[4]["time"] == .null)
    }

    @Test("what nothing recorded is not known, and why is said")
    func unknown() throws {
        let local = try report(try tick(provider: .undefined))
        #expect(local.steps.first?.name == "received")
        var books = TraceBooks()
        books.row = .missing
        let absent = try report(nil, books)
        #expect(try step("committed", absent).note.contains("no row"))
        books.row = .committed(nil)
        let kept = try report(nil, books)
        let committed = try step("committed", kept)
        #expect(committed.time == nil && committed.note.contains("track_commit_timestamp"))
        books.problem = "no database is named (POSTGRES_HOST)"
        let unasked = try report(nil, books)
        #expect(try step("committed", unasked).note == books.problem)
        #expect(!unasked.lines.contains { $0.contains("no bar") })
    }

    @Test("a clock that was asked has its offset, one that was not the bound that a packet shows")
    func clocks() throws {
        let asked = ClockOffset(
            asked: Self.now, answered: Self.after(400), theirs: Self.after(1_700))
        let usual = try report(nats: asked)
        #expect(usual.clocks[0].says.hasPrefix("1.5 ms ahead of this machine's, or 0.2 ms off"))
        #expect(usual.clocks[2].says.hasPrefix("at most 2.25 ms behind NATS's"))
        let ahead = try report(try tick(stored: Self.after(-250)))
        #expect(ahead.clocks[2].says.hasPrefix("at least 2 ms ahead of NATS's"))
        var books = TraceBooks()
        var bar = TradeBar(
            series: "1s", source: "ibkr", from: "a", to: "b", version: "1", trades: "4")
        (bar.sent, bar.taken) = (Self.now, Self.after(3))
        books.bars = [bar]
        let barred = try report(nil, books)
        #expect(barred.clocks.last?.says.hasPrefix("at most 0.003 ms behind") == true)
        #expect(barred.lines.contains { $0.contains("1s") && $0.contains("ibkr") })
    }

    @Test(
        "milliseconds are rounded to microseconds, away from zero",
        arguments: [
            (0, "0"), (1_499, "0.001"), (1_500, "0.002"), (-1_500, "-0.002"), (2_000_000, "2"),
        ] as [(Int64, String)])
    func milliseconds(nanoseconds: Int64, text: String) {
        #expect(TraceReport.milliseconds(nanoseconds) == text)
    }

    @Test("a tick is named by its address, or by its symbol and a time with a fraction")
    func arguments() throws {
        let address = try TraceCommand.parse(["ibkr/3/1042", "--json"])
        #expect(address.subject == .address(try #require(TickAddress("ibkr/3/1042"))))
        #expect(address.asJSON)
        let time = try TraceCommand.parse(
            ["AAPL", "15:06:40.25", "--kind", "trade"], now: Self.now)
        let symbol = try #require(Symbol("AAPL"))
        #expect(
            time.subject
                == .from(Self.after(250_000), of: symbol, source: nil, kind: .trade))
        let zoned = try TraceCommand.parse(
            ["AAPL", "11:06:40.25", "--zone", "America/New_York"], now: Self.now)
        #expect(
            zoned.subject == .from(Self.after(250_000), of: symbol, source: nil, kind: nil))
        #expect(
            complaint { try TraceCommand.parse(["ibkr/3/1042", "--kind", "trade"]) }
                .contains("SYMBOL TIME"))
        #expect(complaint { try TraceCommand.parse(["AAPL"]) }.contains("SYMBOL TIME"))
    }
}
