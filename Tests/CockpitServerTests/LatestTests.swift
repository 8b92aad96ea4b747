import LatestValues
import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing
import ValkeyClient

@testable import Cockpit

@Suite("The page Latest") struct LatestTests {
    private static let path = "/latest.json?symbols=AAPL,%20ZZZ&series=1m"

    @Test(
        "what makes no sense is refused in one sentence",
        arguments: [
            ([:], "name a symbol"), (["symbols": " ,"], "name a symbol"),
            (["symbols": (1...17).map { "S\($0)" }.joined(separator: ",")], "at most 16 symbols"),
            (["symbols": "A\u{1}"], "control"), (["symbols": "A", "source": "A b"], "a source is"),
            (["symbols": "A", "series": "a:b"], "a series is"),
        ] as [([String: String], String)])
    func refused(parameters: [String: String], words: String) throws {
        let error = #expect(throws: QuestionRefusal.self) { try LatestQuestion(parameters) }
        #expect("\(try #require(error))".contains(words))
        let named = try LatestQuestion(["symbols": "A, BRK B ,, A"]).wanted.symbols
        #expect(named.map(\.text) == ["A", "BRK B"])
    }

    @Test("values, what is unknown, and never a lower ordinal than before; Valkey away and back")
    func shown() throws {
        let valkey = try ValkeyServer()
        try put(valkey, ordinal: 70)
        let cockpit = try LoneCockpit([
            "VALKEY_PORT": "\(valkey.port)", "VALKEY_PASSWORD": ValkeyServer.password,
        ])
        #expect(try cockpit.get("/latest.json?symbols=").status == 400)
        var last: [String] = []
        func rows() throws -> [String] {
            let answer = try cockpit.get(Self.path).json()
            last = (answer["value"]?["items"]?.array ?? []).map { item in
                let told = item["unknown"]?.string ?? item["ordinal"].map { "\($0.int ?? 0)" }
                return
                    "\(item["symbol"]?.string ?? "") \(item["kind"]?.string ?? ""): \(told ?? "")"
            }
            return last
        }
        let missing =
            ["AAPL quote", "AAPL bar 1m"].map { "\($0): Valkey has none" }
            + ["trade", "quote", "bar 1m"].map { "ZZZ \($0): Valkey has no source of it" }
        let is70 = try eventually { try rows() == ["AAPL trade: 70"] + missing }
        #expect(is70, "\(last)")
        let first = try cockpit.get(Self.path).json()["value"]
        // NATS and database are away: feed, distance and gaps are unknown, and both say why.
        #expect(first?["problems"]?.array?.count == 2)
        let value = first?["items"]?.array?.first
        #expect(value?["feed"]?.string == "unknown" && value?["value"]?["price"]?.string == "1.5")
        #expect(value?["behind"] == .null && value?["gaps"] == .null)
        try put(valkey, ordinal: 69)
        let older = "AAPL trade: Valkey has an older one than was shown before"
        let isOlder = try eventually { try rows().first == older }
        #expect(isOlder, "\(last)")
        try valkey.cli("FLUSHALL")
        let isGone = try eventually {
            try rows().first == "AAPL trade: Valkey has no source of it"
        }
        #expect(isGone, "\(last)")
        try put(valkey, ordinal: 71)
        let isBack = try eventually { try rows().first == "AAPL trade: 71" }
        #expect(isBack, "\(last)")
        _ = try cockpit.running.stop()
    }

    @Test("a lane is read before its values, which may have been replaced since the first reading")
    func order() throws {
        let valkey = try ValkeyServer(arguments: ["--slowlog-log-slower-than", "0"])
        try put(valkey, ordinal: 70)
        try valkey.cli("HSET", "md:lane:3:ib", "from", "60", "ordinal", "72")
        let session = try ValkeyConnection(
            ValkeyConfiguration(
                host: "127.0.0.1", port: valkey.port, password: ValkeyServer.password))
        defer { session.close() }
        let symbol = try #require(Symbol("AAPL"))
        let values = try LatestReader(namespace: "md", session)
            .values(.init([symbol], of: nil, []), now: SystemClock().now())
        #expect(
            values.map(\.ordinal) == [70, nil]
                && values[0].kept.map { [$0.from, $0.to] } == [60, 72])
        // The newest command is the first one.
        let said = try valkey.cli("SLOWLOG", "GET", "100").split(separator: "\n")
        let value = try #require(said.firstIndex(of: "md:trade:AAPL:ib"))
        let lane = try #require(said.firstIndex(of: "md:lane:3:ib"))
        #expect(value < lane, "\(said)")
    }

    @Test("no more values are read than are shown, and many are sent in parts")
    func many() throws {
        let valkey = try ValkeyServer()
        try put(valkey, ordinal: 70)
        let session = try ValkeyConnection(
            ValkeyConfiguration(
                host: "127.0.0.1", port: valkey.port, password: ValkeyServer.password))
        defer { session.close() }
        let reader = LatestReader(namespace: "md", session)
        let symbol = try #require(Symbol("AAPL"))
        let first = try reader.first(1, of: .init([symbol], of: nil, []), now: SystemClock().now())
        #expect(first.values.map(\.ordinal) == [70] && first.more == 1)
        // One pipeline has at most 10,000 commands.
        let symbols = (1...5_100).compactMap { Symbol("S\($0)") } + [symbol]
        let values = try reader.values(
            .init(symbols, of: SourceName("ib"), []), now: SystemClock().now())
        #expect(values.count == 10_202 && values.filter { $0.unknown == nil }.count == 1)
        #expect(values[10_200].ordinal == 70)
    }

    private func put(_ valkey: ValkeyServer, ordinal: Int) throws {
        try valkey.cli([
            "HSET", "md:trade:AAPL:ib", "price", "1.5", "size", "", "exchange", "Q", "partition",
            "3", "lane", "ib", "ordinal", "\(ordinal)", "filled", "", "receive_ts",
            "1700000000000000000", "order", "1",
        ])
        try valkey.cli("HSET", "md:sources", "AAPL", "ib:9000000000000 gone:1000")
    }
}
