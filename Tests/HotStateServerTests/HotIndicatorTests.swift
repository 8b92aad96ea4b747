import MarketModel
import Primitives
import TapeCodec
import TestSupport
import Testing
import ValkeyClient

@testable import HotState
@testable import HotStateTests

@Suite("Polled values in a real Valkey")
struct HotIndicatorTests {
    private static let day: Int64 = 86_400_000_000_000

    private let server: ValkeyServer
    private let session: ValkeyConnection
    private let digests: [HotKind: [UInt8]]

    init() throws {
        server = try ValkeyServer()
        session = try ValkeyConnection(server.configuration)
        digests = try HotScripts.load(on: session)
    }

    private func value(
        _ value: Int64, day: Int64 = 0, days: Int64 = 1, revision: UInt64 = 0,
        name: String = "value"
    ) -> IndicatorValue {
        IndicatorValue(
            header: TickHeader(
                symbol: 0, providerTime: .undefined, receiveTime: Timestamp(nanoseconds: 18)),
            name: name, unit: "%", value: Int128(value) * 1_000_000_000,
            periodStart: Timestamp(nanoseconds: day * Self.day),
            periodEnd: Timestamp(nanoseconds: (day + days) * Self.day), revision: revision)
    }

    private func write(
        _ values: [IndicatorValue], kind: PacketKind = .ticks, at sequence: UInt64
    ) throws {
        var table = HotTable(symbolsMax: 16)
        var packet = try SamplePacket(kind, source: "fred")
        _ = try packet.symbol("DGS10")
        for value in values {
            let outcome = packet.builder.append(value)
            #expect(outcome == .appended)
        }
        packet.add(to: &table, sequence: sequence)
        var writing = HotWriting(namespace: "x", digests: digests)
        let hour: Int64 = 3_600_000_000_000
        writing.write(
            takeAll(&table), of: table, now: .at(0), HotAges(life: 36 * hour, stale: hour))
        session.append(writing.commands)
        for reply in try session.replies(count: writing.commands.count) {
            #expect(reply.errorMessage == nil)
        }
    }

    private func shown(_ fields: String...) throws -> String {
        try server.cli(["HMGET", "x:indicator:DGS10:value:fred"] + fields)
            .replacing("\n", with: " ")
    }

    @Test("the value of the latest period in its last revision is shown, whatever comes later")
    func latest() throws {
        try write([value(4, day: 1), value(5, day: 2), value(3, day: 1)], at: 1)
        #expect(try shown("value", "unit", "revision", "ts", "receive_ts") == "5 % 0 18 18")
        #expect(
            try shown("period_start", "period_end", "delayed", "source")
                == "\(2 * Self.day) \(3 * Self.day) 0 fred")
        try write([value(6, day: 2, revision: 1)], at: 2)
        #expect(try shown("value", "revision") == "6 1")
        // A revision of an older period, by a process that knows nothing of the newer one.
        try write([value(7, day: 1, revision: 9)], at: 3)
        #expect(try shown("value", "revision") == "6 1")
        #expect(try server.sources("DGS10").map(\.name) == ["fred"])
    }

    @Test(
        "a withdrawn value is empty; names that no key has, and computed values, are left out"
    )
    func leftOut() throws {
        var none = value(1)
        none.value = IndicatorValue.undefined
        try write([none], at: 1)
        #expect(try shown("value", "unit") == "%")
        try write(
            [value(1, name: "a:b"), value(1, name: "a b"), value(1, name: "")], at: 2)
        try write([value(9, day: 9)], kind: .bars, at: 3)
        #expect(
            try server.cli("--scan", "--pattern", "x:indicator:*") == "x:indicator:DGS10:value:fred"
        )
        #expect(try shown("value") == "")
    }

    @Test("a key stays three periods longer than others", arguments: [1, 31, 100_000] as [Int64])
    func life(days: Int64) throws {
        try write([value(1, days: days)], at: 1)
        let left = Int(try server.cli("PTTL", "x:indicator:DGS10:value:fred")) ?? 0
        let hours = 36 + min(3 * 24 * days, 366 * 24)
        #expect((Int(hours) - 1..<Int(hours) + 1).contains((left + 3_599_999) / 3_600_000 - 1))
    }
}
