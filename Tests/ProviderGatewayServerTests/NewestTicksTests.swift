import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

@Suite("How old the newest ticks are")
struct NewestTicksTests {
    private static func registry(_ count: Int) throws -> InstrumentRegistry {
        InstrumentRegistry(try (0..<count).map { try .named("S\($0)") })
    }

    private static func page(
        _ seconds: [Int64?], _ registry: InstrumentRegistry, withoutTicks: Bool = true
    ) throws -> JSONValue {
        let now = MonotonicTime.at(100_000_000_000_000)
        let page = NewestTicksPage(
            times: seconds.map { $0.map { now - $0 * 1_000_000_000 } ?? .distantPast }, registry,
            now: now, withoutTicks: withoutTicks)
        var json = JSONWriter()
        json.object { page.write(into: &$0) }
        return try JSONValue.parse(json.text)
    }

    @Test("all are counted by age; those without a tick and the oldest are listed first")
    func page() throws {
        // The last two have no time, as the source has not got a record of them.
        let json = try Self.page([0, 5, 6, 4_000, 600, nil], try Self.registry(8))
        #expect(json["instruments"]?.int == 8 && json["never"]?.int == 3)
        let ages = try #require(json["ages"]?.array)
        #expect(ages.map { $0["seconds"]?.int } == [5, 60, 600, 3_600])
        #expect(ages.map { $0["instruments"]?.int } == [2, 1, 1, 0])
        let oldest = try #require(json["oldest"]?.array)
        #expect(
            oldest.map { $0["symbol"]?.string } == [
                "S5", "S6", "S7", "S3", "S4", "S2", "S1", "S0",
            ])
        #expect(oldest[0]["age_seconds"] == .null && oldest[3]["age_seconds"]?.double == 4_000)
    }

    @Test("of a source of delayed data, instruments without a tick are left out")
    func delayed() throws {
        let json = try Self.page([nil, 3], try Self.registry(3), withoutTicks: false)
        #expect(json["instruments"]?.int == 1 && json["never"]?.int == 0)
        #expect(json["oldest"]?.array?.count == 1)
    }

    @Test("the list is bounded, and the counts are not")
    func bounded() throws {
        let json = try Self.page([], try Self.registry(700))
        #expect(json["instruments"]?.int == 700 && json["never"]?.int == 700)
        #expect(json["oldest"]?.array?.count == NewestTicksPage.instrumentsMax)
    }

    @Test("a running gateway says it; what comes from a provider's history does not count")
    func gateway() throws {
        let tape = try TestTape(try NatsServer(), namespace: "newest")
        let log = ScriptedProvider.Log()
        let gateway = try TestGateway.scripted(
            tape, ["scripted": log], try (0..<3).map { try .named("S\($0)") })
        #expect(try gateway.status["newest"] == nil)
        let running = try gateway.start()
        let time = SystemClock().now().advanced(byNanoseconds: -1_000_000_000)
        try log.begun().channel.deliver(
            [TickFlags(), .backfilled].enumerated().map { symbol, flags in
                .trade(
                    TickHeader(
                        symbol: UInt32(symbol), flags: flags, providerTime: time,
                        receiveTime: time, providerID: 1))
            }, floor: time)
        var newest: JSONValue?
        #expect(
            try eventually {
                newest = try gateway.status["newest"]
                return newest?["never"]?.int == 2
            })
        let oldest = newest?["oldest"]?.array ?? []
        #expect(oldest.map { $0["symbol"]?.string } == ["S1", "S2", "S0"])
        #expect(oldest.last?["age_seconds"]?.double != nil)
        // What was sent is on the tape: the second one was taken, and is not counted.
        let source = try #require(SourceName("feed"))
        #expect(try eventually { try tape.tickCount(source: source) == 2 })
        #expect(try gateway.status.at("newest", "never")?.int == 2)
        #expect(try running.stop() == .success)
        #expect(try gateway.status["newest"] == nil)
    }
}
