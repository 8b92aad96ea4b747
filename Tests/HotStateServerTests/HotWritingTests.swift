import MarketModel
import Primitives
import TapeCodec
import TestSupport
import Testing
import ValkeyClient

@testable import HotState
@testable import HotStateTests

@Suite("What a real Valkey makes of the scripts")
struct HotWritingTests {
    let server: ValkeyServer
    let session: ValkeyConnection
    private let digests: [HotKind: [UInt8]]

    init() throws {
        server = try ValkeyServer()
        session = try ValkeyConnection(server.configuration)
        digests = try HotScripts.load(on: session)
    }

    /// Writes the complete table. Returns the results of the scripts.
    private func write(_ table: inout HotTable, now: MonotonicTime = .at(0)) throws -> [ValkeyReply]
    {
        var writing = HotWriting(namespace: "x", digests: digests)
        writing.write(takeAll(&table, now: now), of: table, now: now, .sample)
        session.append(writing.commands)
        return try session.replies(count: writing.commands.count)
    }

    @Test("the order decides, for trades and for bars, to the last bit")
    func order() throws {
        func write(_ price: Int64, _ created: Int64, _ sequence: UInt64) throws {
            var table = HotTable(symbolsMax: 16)
            var packet = try SamplePacket()
            packet.trade(try packet.symbol("A"), price)
            packet.add(to: &table, sequence: sequence, created: created)
            #expect(try self.write(&table).allSatisfy { $0.errorMessage == nil })
        }
        let big = UInt64(1) << 53
        for (price, created, sequence, stands) in [
            (1, 5, big, "1"), (2, 5, big + 1, "2"), (3, 5, big, "2"), (4, 4, UInt64.max, "2"),
            (5, 6, 1, "5"), (6, 6, 1, "6"), (7, 5, UInt64.max, "6"), (8, 60, 0, "8"),
        ] as [(Int64, Int64, UInt64, String)] {
            try write(price, created, sequence)
            #expect(try server.cli("HGET", "x:trade:A:s", "price") == stands)
        }
    }

    @Test("a bar of an older window does not replace what Valkey holds, of whoever it is")
    func barOrder() throws {
        func write(_ open: Int64, _ close: Int64, _ sequence: UInt64) throws -> [ValkeyReply] {
            // A writer that has just started does not know what was written before.
            var table = HotTable(symbolsMax: 16)
            var packet = try SamplePacket(.bars, source: "operator")
            try packet.bar(try packet.symbol("A", source: "feed"), "1m", open: open, close: close)
            packet.add(to: &table, sequence: sequence)
            return try self.write(&table)
        }
        // The close tells the writes apart; `taken` is what Valkey answers.
        for (open, close, sequence, taken) in [
            (60, 1, 10, 1), (0, 2, 11, 0), (60, 3, 12, 1), (60, 4, 11, 0), (-60, 5, 13, 0),
            (120, 6, 9, 1), (60, 7, 14, 0),
        ] as [(Int64, Int64, UInt64, Int64)] {
            #expect(try write(open, close, sequence) == [.integer(taken)])
        }
        #expect(
            try server.cli("HMGET", "x:bar:A:1m:feed", "ts", "close", "source") == "120\n6\nfeed")
    }

    @Test("a provider's bars have a key by data and length, and an older one replaces nothing")
    func providerBars() throws {
        func write(_ sequence: UInt64, _ add: (inout SamplePacket, UInt32) -> Void) throws {
            var table = HotTable(symbolsMax: 16)
            var packet = try SamplePacket(source: "feed")
            add(&packet, try packet.symbol("A:x"))
            packet.add(to: &table, sequence: sequence)
            #expect(try self.write(&table).allSatisfy { $0.errorMessage == nil })
        }
        try write(1) { packet, symbol in
            packet.providerBar(symbol, open: 60, close: 1)
            packet.providerBar(symbol, open: 60, close: 2, kind: .midpoint)
            packet.providerBar(symbol, open: 0, seconds: 86_400, close: 3)
        }
        try write(2) { $0.providerBar($1, open: 55, close: 9) }
        try write(3) { $0.providerBar($1, open: 60, close: 4) }
        let fields = ["close", "open", "volume", "trades", "ts", "close_ts", "receive_ts"]
        let key = "x:providerbar:A:x:trades-5s:feed"
        #expect(
            try server.cli(["HMGET", key] + fields + ["unfinished", "source"])
                == "4\n\n\n7\n60000000000\n65000000000\n65000000001\n0\nfeed")
        for (name, close) in [("midpoint-5s", "2"), ("trades-1d", "3")] {
            #expect(try server.cli("HGET", "x:providerbar:A:x:\(name):feed", "close") == close)
        }
        #expect(try sources("A:x") == ["feed"])
    }

    @Test("every name that a symbol may have becomes a key of its own, with what it says")
    func names() throws {
        var table = HotTable(symbolsMax: 100)
        var packet = try SamplePacket()
        for (number, name) in Sample.strangeSymbols.enumerated() {
            let symbol = try packet.symbol(name)
            packet.trade(symbol, Int64(number))
            packet.quote(symbol, ask: Int64(number))
        }
        packet.add(to: &table, sequence: 1)
        let count = Int64(Sample.strangeSymbols.count)
        #expect(try write(&table) == [.integer(count), .integer(count)])
        for (number, name) in Sample.strangeSymbols.enumerated() {
            let trade = try session.command([
                "HMGET", .text("x:trade:\(name):s"), "price", "size", "ts", "receive_ts", "source",
            ])
            let expected = ["\(number)", "2.5", "17", "18", "s"]
            #expect(trade == .array(expected.map { .string(Array($0.utf8)) }), "\(name)")
            let quote = try session.command([
                "HMGET", .text("x:quote:\(name):s"), "bid", "ask", "ask_size", "ts",
            ])
            let values = ["", "\(number)", "1", "18"]
            #expect(quote == .array(values.map { .string(Array($0.utf8)) }), "\(name)")
        }
    }

    @Test("more keys than one call may have are more calls; each has the life that is left")
    func calls() throws {
        var table = HotTable(symbolsMax: 1_000)
        var packet = try SamplePacket()
        for number in 0..<600 { packet.trade(try packet.symbol("S\(number)"), 1) }
        packet.add(to: &table, sequence: 1, receivedAt: .at(1_000_000_000))
        let replies = try write(&table, now: .at(101_000_000_000))
        #expect(replies == [.integer(256), .integer(256), .integer(88)])
        let left = Int(try server.cli("PTTL", "x:trade:S599:s")) ?? 0
        #expect((100_000...200_000).contains(left))
    }

    @Test("each key says from which age its value is stale, also one whose life is not told")
    func stale() throws {
        var table = HotTable(symbolsMax: 16)
        func write(_ price: Int64, at now: MonotonicTime) throws -> String {
            var packet = try SamplePacket()
            packet.trade(try packet.symbol("A"), price)
            packet.add(to: &table, sequence: UInt64(price), receivedAt: now)
            #expect(try self.write(&table, now: now) == [.integer(1)])
            return try server.cli("HGET", "x:trade:A:s", "stale_after")
        }
        #expect(try write(1, at: .at(0)) == "5000")
        #expect(try write(2, at: .at(1_000_000)) == "5000")
        try server.cli("DEL", "x:trade:A:s")
        #expect(try write(3, at: .at(2_000_000)) == "5000")
    }

    @Test("a life is told once a second; a key that is gone meanwhile has one all the same")
    func renewal() throws {
        var table = HotTable(symbolsMax: 16)
        func write(_ price: Int64, at now: MonotonicTime) throws -> Int {
            var packet = try SamplePacket()
            packet.trade(try packet.symbol("A"), price)
            packet.add(to: &table, sequence: UInt64(price), receivedAt: now)
            #expect(try self.write(&table, now: now) == [.integer(1)])
            return Int(try server.cli("PTTL", "x:trade:A:s")) ?? 0
        }
        #expect(try write(1, at: .at(0)) > 200_000)
        try server.cli("PEXPIRE", "x:trade:A:s", "100000")
        #expect(try write(2, at: .at(500_000_000)) <= 100_000)
        #expect(try write(3, at: .at(1_500_000_000)) > 200_000)
        try server.cli("DEL", "x:trade:A:s")
        #expect(try write(4, at: .at(1_600_000_000)) > 200_000)
        #expect(try server.cli("HGET", "x:trade:A:s", "price") == "4")
        // A write that failed is repeated.
        var packet = try SamplePacket()
        packet.trade(try packet.symbol("A"), 5)
        packet.add(to: &table, sequence: 5, receivedAt: .at(1_700_000_000))
        table.putBack(.trade, takeAll(&table, now: .at(1_700_000_000)).trades[...])
        try server.cli("PEXPIRE", "x:trade:A:s", "100000")
        #expect(try self.write(&table, now: .at(1_800_000_000)) == [.integer(1)])
        #expect(Int(try server.cli("PTTL", "x:trade:A:s")) ?? 0 > 200_000)
    }

    private func sources(_ symbol: String) throws -> [String] {
        try server.sources(symbol).map(\.name)
    }

    private func add(
        _ table: inout HotTable, _ source: String, sequence: UInt64, at received: MonotonicTime
    ) throws {
        var packet = try SamplePacket(source: source)
        packet.trade(try packet.symbol("A:x"), Int64(sequence))
        packet.add(to: &table, sequence: sequence, receivedAt: received)
    }

    @Test("a symbol's sources are those that have a key, each until its last key expires")
    func sourcesOfASymbol() throws {
        var table = HotTable(symbolsMax: 16)
        // The value of the first source is 100 s old already.
        try add(&table, "old", sequence: 1, at: .at(0))
        try add(&table, "new", sequence: 2, at: .at(100_000_000_000))
        var bars = try SamplePacket(.bars, source: "operator")
        try bars.bar(try bars.symbol("A:x", source: "group"), "1m", open: 60, close: 1)
        bars.add(to: &table, sequence: 1, receivedAt: .at(50_000_000_000))
        #expect(try write(&table, now: .at(100_000_000_000)) == [.integer(2), .integer(1)])
        let keys = ["x:trade:A:x:old", "x:trade:A:x:new", "x:bar:A:x:1m:group"]
        let ends = try keys.map { try server.cli("PEXPIRETIME", $0) }
        #expect(try sources("A:x") == ["old", "new", "group"])
        #expect(try server.sources("A:x").map(\.end) == ends)
        // All of it ends with the last of them.
        #expect(try server.cli("PEXPIRETIME", "x:sources") == ends[1])
    }

    @Test("a source without a key any more goes when another one is renewed, and so do symbols")
    func sourcesThatLeft() throws {
        var table = HotTable(symbolsMax: 16)
        try add(&table, "gone", sequence: 1, at: .at(0))
        try add(&table, "here", sequence: 2, at: .at(0))
        _ = try write(&table)
        let later = MonotonicTime.at(2_000_000_000)
        // As if its life had passed.
        let here = try #require(try server.sources("A:x").last)
        try server.cli("HSET", "x:sources", "A:x", "gone:1 \(here.name):\(here.end)")
        try add(&table, "here", sequence: 3, at: later)
        _ = try write(&table, now: later)
        #expect(try sources("A:x") == ["here"])
        // It comes back with its next value.
        try add(&table, "gone", sequence: 4, at: later)
        _ = try write(&table, now: later)
        #expect(try sources("A:x") == ["here", "gone"])
        // A symbol that is over is drawn sometime, one with a key never goes.
        try server.cli("HSET", "x:sources", "OVER", "gone:1", "ODD", "")
        try server.cli("HSET", "x:sources", "LEFT", "a:1 b:\(here.end)")
        var sequence: UInt64 = 4
        while try server.cli("HLEN", "x:sources") != "2", sequence < 2_000 {
            sequence += 1
            let now = MonotonicTime.at(2_000_000_000 * Int64(sequence))
            try add(&table, "here", sequence: sequence, at: now)
            _ = try write(&table, now: now)
        }
        #expect(
            try server.cli("HKEYS", "x:sources").split(separator: "\n").sorted()
                == ["A:x", "LEFT"])
    }

    @Test("two writers of one symbol: none of their sources is lost")
    func sourcesOfTwo() throws {
        var tables = [HotTable(symbolsMax: 16), HotTable(symbolsMax: 16)]
        for number in 0..<20 {
            try add(&tables[number % 2], "s\(number)", sequence: 1, at: .at(0))
            _ = try write(&tables[number % 2])
        }
        #expect(try sources("A:x") == (0..<20).map { "s\($0)" })
    }

    @Test("a shorter life takes nothing from a source, and a refused value renews nothing")
    func sourcesAndLives() throws {
        var table = HotTable(symbolsMax: 16)
        try add(&table, "s", sequence: 5, at: .at(0))
        _ = try write(&table)
        let end = try server.cli("PEXPIRETIME", "x:sources")
        // Of the same source, a bar that was received long ago: its key lives shorter.
        var bars = try SamplePacket(.bars, source: "operator")
        try bars.bar(try bars.symbol("A:x", source: "s"), "1m", open: 60, close: 1)
        bars.add(to: &table, sequence: 1, receivedAt: .at(-200_000_000_000))
        var writing = HotWriting(namespace: "x", digests: digests)
        let batch = takeAll(&table, heardAfter: .at(-300_000_000_000))
        writing.write(batch, of: table, now: .at(0), .sample)
        session.append(writing.commands)
        #expect(try session.replies(count: 1) == [.integer(1)])
        #expect(try server.cli("PEXPIRETIME", "x:sources") == end)
        #expect(try server.sources("A:x").map(\.end) == [end])
        // Another writer, which is behind: what it has is refused.
        var other = HotTable(symbolsMax: 16)
        try add(&other, "s", sequence: 4, at: .at(0))
        try server.cli("DEL", "x:sources")
        #expect(try write(&other) == [.integer(0)])
        #expect(try sources("A:x") == [])
    }

    @Test("sources of another type are made again and counted")
    func wrongTypeOfSources() throws {
        try server.cli("SET", "x:sources", "not ours")
        var table = HotTable(symbolsMax: 16)
        try add(&table, "s", sequence: 1, at: .at(0))
        #expect(try write(&table) == [.integer(1 + HotScripts.replacedFactor)])
        #expect(try sources("A:x") == ["s"])
    }

    @Test("a key of another type is made anew and counted, the others are not disturbed")
    func wrongType() throws {
        try server.cli("SET", "x:trade:S1:s", "not ours")
        try server.cli("LPUSH", "x:trade:S2:s", "not ours")
        var table = HotTable(symbolsMax: 16)
        var packet = try SamplePacket()
        for number in 0..<4 { packet.trade(try packet.symbol("S\(number)"), Int64(number)) }
        packet.add(to: &table, sequence: 1)
        #expect(try write(&table) == [.integer(4 + 2 * HotScripts.replacedFactor)])
        for number in 0..<4 {
            #expect(try server.cli("HGET", "x:trade:S\(number):s", "price") == "\(number)")
        }
    }

    @Test("the largest values of every kind")
    func extremes() throws {
        var table = HotTable(symbolsMax: 16)
        var packet = try SamplePacket(.bars, source: "operator")
        let symbol = try packet.symbol("A")
        let series = packet.builder.register(
            SeriesDefinition(name: try #require(SeriesName("1m")), widthNanoseconds: 1))
        var bar = Bar(
            symbol: symbol, series: series, openTime: Timestamp(nanoseconds: .min),
            closeTime: Timestamp(nanoseconds: .max - 1))
        bar.open = Price(raw: .min)
        bar.high = Price(raw: .max - 1)
        bar.volume = Int128.max
        bar.trades = UInt64.max
        let isIn = packet.builder.append(bar)
        #expect(isIn)
        packet.add(to: &table, sequence: UInt64.max, created: .max)
        #expect(try write(&table) == [.integer(1)])
        #expect(
            try server.cli("HMGET", "x:bar:A:1m:operator", "open", "high", "volume", "trades", "ts")
                == """
                \(Price(raw: .min))
                \(Price(raw: .max - 1))
                \(FixedPoint.text(Int128.max, decimals: Quantity.decimals))
                \(UInt64.max)
                \(Int64.min)
                """)
    }
}
