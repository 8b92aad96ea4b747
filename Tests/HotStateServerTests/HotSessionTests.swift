import Primitives
import TestSupport
import Testing
import ValkeyClient

@testable import HotState
@testable import HotStateTests

@Suite("Outcomes of round trips")
struct SettledTests {
    @Test("keys of a refused call are not counted, so none of them is stale")
    func refused() {
        var settled = HotSession.Settled()
        let answers: [(reply: ValkeyReply, keys: Int)] = [
            (.integer(2), 3), (.error("OOM command not allowed"), 256), (.null, 1),
            (.integer(HotScripts.replacedFactor * 4 + 5), 5),
        ]
        let carriedOut = answers.map { settled.add($0.reply, keys: $0.keys) }
        #expect(carriedOut == [true, false, false, true])
        #expect(settled.keys == 8 && settled.written == 7 && settled.replaced == 4)
        #expect(settled.refusal == "OOM command not allowed")
    }
}

@Suite("Round trips with a real Valkey")
struct HotSessionTests {
    private let server: ValkeyServer
    private let session: HotSession

    init() throws {
        server = try ValkeyServer()
        session = try HotSession(server)
    }

    private func tell(_ table: inout HotTable, _ number: Int64) throws {
        var packet = try SamplePacket()
        packet.trade(try packet.symbol("A"), number)
        packet.add(to: &table, sequence: UInt64(number), receivedAt: .at(1))
    }

    private func roundTrip(_ table: inout HotTable) throws -> HotSession.Settled? {
        try session.roundTrip(&table, keysMax: 16, withMarker: true, now: .at(1))
    }

    @Test("a round trip is settled once, even if the answer is there before anybody waits for it")
    func settled() throws {
        var table = HotTable(symbolsMax: 16)
        // The machine decides which answers have already arrived. With this many round trips, some
        // have.
        for number: Int64 in 1...500 {
            try tell(&table, number)
            let settled = try #require(try roundTrip(&table), "\(number) was never settled")
            #expect(settled.keys == 1 && settled.written == 1 && !settled.isFlushed)
            #expect(table.pendingCount == 0 && !session.isWaiting)
        }
        #expect(try server.cli("HGET", "x:trade:A:s", "price") == "500")
    }

    @Test("a flush and a refusal are seen in every round trip that meets them")
    func trouble() throws {
        var table = HotTable(symbolsMax: 16)
        try server.cli("CONFIG", "SET", "maxmemory", "1")
        for number: Int64 in 1...50 {
            try tell(&table, number)
            let refused = try #require(try roundTrip(&table), "\(number) was never settled")
            #expect(refused.refusal?.hasPrefix("OOM") == true && refused.keys == 0)
            #expect(table.pendingCount == 1)
        }
        try server.cli("CONFIG", "SET", "maxmemory", "0")
        for number in 1...50 {
            try server.cli("FLUSHALL")
            let flushed = try #require(try roundTrip(&table), "\(number) was never settled")
            #expect(flushed.isFlushed)
        }
        #expect(table.pendingCount == 0)
    }

    @Test("a lane says how far it is in Valkey, after the values, and again after a flush")
    func lanes() throws {
        var table = HotTable(symbolsMax: 64)
        func add(_ count: Int, at sequence: UInt64, ordinal: UInt64) throws {
            var packet = try SamplePacket()
            packet.firstOrdinal = ordinal
            for number in 0..<count { packet.trade(try packet.symbol("S\(number)"), 1) }
            packet.add(to: &table, sequence: sequence, receivedAt: .at(1))
        }
        func shown() throws -> String {
            try server.cli("HMGET", "x:lane:0:s", "ordinal", "from", "source")
        }
        try add(20, at: 7, ordinal: 100)
        // 16 of 20 values fit into one round trip.
        #expect(try roundTrip(&table)?.written == 16)
        #expect(try server.cli("EXISTS", "x:lane:0:s") == "0")
        #expect(try roundTrip(&table)?.written == 4)
        #expect(try server.cli("EXISTS", "x:lane:0:s") == "0")
        _ = try roundTrip(&table)
        #expect(try shown() == "119\n100\ns")
        #expect(try server.cli("HLEN", "x:sources") == "20")
        let left = Int(try server.cli("PTTL", "x:lane:0:s")) ?? 0
        #expect(left > 0)
        // The next one is written 100 ms later, and an older packet changes nothing.
        try add(1, at: 8, ordinal: 120)
        #expect(try session.roundTrip(&table, now: .at(50_000_000))?.written == 1)
        #expect(try shown() == "119\n100\ns")
        try add(1, at: 6, ordinal: 90)
        try session.roundTrip(&table, now: .at(100_000_002))
        #expect(try shown() == "120\n100\ns")
        // Until the flush is noticed, no lane is written.
        try add(1, at: 9, ordinal: 121)
        try server.cli("FLUSHALL")
        for number: Int64 in 3...4 { try session.roundTrip(&table, now: .at(number * 100_000_000)) }
        #expect(try server.cli("EXISTS", "x:lane:0:s") == "0")
        #expect(
            try session.roundTrip(&table, withMarker: true, now: .at(500_000_000))?.isFlushed
                == true)
        table.repeatAll(heardAfter: .at(-1))
        for number: Int64 in 6...7 { try session.roundTrip(&table, now: .at(number * 100_000_000)) }
        #expect(try shown() == "121\n100\ns")
    }

    @Test("no lane is written before refused values are, and a refused lane delays no value")
    func refusedLanes() throws {
        var table = HotTable(symbolsMax: 16)
        try server.cli("CONFIG", "SET", "maxmemory", "1")
        try tell(&table, 1)
        for _ in 0..<3 { #expect(try roundTrip(&table)?.refusal?.hasPrefix("OOM") == true) }
        try server.cli("CONFIG", "SET", "maxmemory", "0")
        #expect(try server.cli("EXISTS", "x:lane:0:s") == "0")
        try server.cli(
            "ACL", "SETUSER", "default", "resetkeys", "~x:trade:*", "~x:sources", "~x:hot:*")
        defer { #expect(throws: Never.self) { try server.cli("ACL", "SETUSER", "default", "~*") } }
        for _ in 0..<2 {
            let settled = try session.roundTrip(&table, now: .at(200_000_000))
            #expect(settled?.refusal == nil)
            if let refusal = settled?.laneRefusal { #expect(refusal.hasPrefix("NOPERM")) }
        }
        #expect(table.pendingCount == 0 && table.lanes.values.pendingCount == 1)
    }

    @Test("where nothing is left to send nothing is waited for")
    func nothing() throws {
        var table = HotTable(symbolsMax: 16)
        try tell(&table, 1)
        // The news is older than the life of its key.
        try session.begin(
            &table, keysMax: 16, withMarker: false, now: .at(HotAges.sample.life + 2), .sample)
        #expect(!session.isWaiting && table.pendingCount == 0)
    }
}
