import Foundation
import Primitives
import TestSupport
import Testing

/// The vendor's own client reads the streams as MessagePack and the requests as JSON. What it
/// decodes must be exactly what the simulator's logs have.
@Suite("The simulated Alpaca, read by alpaca-py")
struct ForeignClientTests {
    private static let script = "Tests/AlpacaSimulatorServerTests/read_alpaca.py"
    private static let packages = "vendor-clients"

    @Test("it reads every record as it was sent, and pages of what happened")
    func read() throws {
        if let obstacle = PythonServer.obstacle(of: Self.packages) { return print(obstacle) }
        let folder = try TemporaryFolder("market")
        let simulator = try SimulatorProcess(
            [
                "--rate", "120", "--symbols", "AAPL,KO", "--corrections", "10", "--cancels", "12",
                "--late", "8", "--halts", "0", "--hold", "1", "--market-log", folder.file("market"),
            ], program: "alpaca-simulator")
        let said = try PythonServer.output(
            of: Self.script, ["\(simulator.port)", "\(simulator.controlPort)", "8"],
            packages: Self.packages)
        simulator.stop()
        let lines = try said.split(separator: "\n").map { try JSONValue.parse(String($0)) }
        let market = try Self.lines(folder.file("market")).filter {
            $0["endpoints"]?.array?.contains(.string("/v2/sip")) == true
        }
        try Self.compareStream(lines, truth: Self.lines(simulator.folder.file("truth")))
        try Self.compareRequests(lines, market)
        #expect(lines.count { $0["from"]?.string == "bars" } == 2)
    }

    /// The client stops in the middle, so it may lack the last records, of each connection.
    private static func compareStream(_ lines: [JSONValue], truth: [JSONValue]) throws {
        let seen = messages(lines, from: "stream")
        let sent = truth.filter { $0["record"] != nil }
        let connections = Set(sent.compactMap { $0["connection"]?.int }).sorted()
        #expect(connections.count == 2 && seen.count > 500)
        let first = sent.filter { $0["connection"]?.int == connections.first }
        let second = sent.filter { $0["connection"]?.int == connections.last }
        // Where the second connection begins in what was seen.
        let border = try #require(
            seen.firstIndex { $0 == second.first?["message"] }, "nothing came after the cut")
        #expect(seen[..<border] == first.compactMap { $0["message"] }[..<border])
        let rest = seen[border...]
        #expect(Array(rest) == second.prefix(rest.count).compactMap { $0["message"] })
        #expect(border > first.count / 2 && rest.count > 100)
        let kinds = Set(seen.compactMap { $0["T"]?.string })
        #expect(kinds.isSuperset(of: ["t", "q", "c", "x"]))
    }

    private static func compareRequests(_ lines: [JSONValue], _ market: [JSONValue]) throws {
        let asked = try #require(
            lines.first { $0["from"]?.string == "asked" }?["time"]?.int.map(Int64.init))
        for (origin, kind) in [("trades", "trade"), ("quotes", "quote")] {
            let answered = lines.filter {
                $0["from"]?.string == origin && $0.at("message", "u")?.string != "corrected"
            }
            let first = try #require(answered.compactMap(time).min())
            let last = try #require(answered.compactMap(time).max())
            var expected: Set<String> = []
            var possible: Set<String> = []
            for line in market where line["kind"]?.string == kind {
                guard let message = line["message"], let stamp = time(line),
                    first <= stamp, stamp <= last
                else { continue }
                let text = Self.text(message["S"]?.string ?? "", message)
                possible.insert(text)
                // What was reported after the request may be missing.
                if Int64(line["time"]?.int ?? 0) < asked { expected.insert(text) }
            }
            let texts = answered.map {
                Self.text($0["symbol"]?.string ?? "", $0["message"] ?? .null)
            }
            #expect(Set(texts).count == texts.count && texts.count > 300)
            #expect(expected.isSubset(of: texts) && possible.isSuperset(of: texts))
        }
        compareChanges(lines, market, before: asked)
    }

    /// A trade that was corrected or cancelled says so.
    private static func compareChanges(
        _ lines: [JSONValue], _ market: [JSONValue], before asked: Int64
    ) {
        for (kind, id, word) in [("correction", "oi", "incorrect"), ("cancel", "i", "canceled")] {
            let changes = market.filter { $0["kind"]?.string == kind }
            let early = changes.filter { Int64($0["time"]?.int ?? 0) < asked }
            func key(_ message: JSONValue?, _ symbol: String?, _ id: String) -> String {
                "\(symbol ?? "") \(message?["x"]?.string ?? "") \(message?[id]?.int ?? 0)"
            }
            let all = Set(changes.map { key($0["message"], $0.at("message", "S")?.string, id) })
            let due = Set(early.map { key($0["message"], $0.at("message", "S")?.string, id) })
            let trades = lines.filter { $0["from"]?.string == "trades" }
            let marked = Set(
                trades.filter { $0.at("message", "u")?.string == word }
                    .map { key($0["message"], $0["symbol"]?.string, "i") })
            let asTrades = Set(trades.map { key($0["message"], $0["symbol"]?.string, "i") })
            #expect(marked.isSubset(of: all) && !marked.isEmpty)
            #expect(due.intersection(asTrades).isSubset(of: marked))
        }
    }

    private static func messages(_ lines: [JSONValue], from origin: String) -> [JSONValue] {
        lines.filter { $0["from"]?.string == origin }.compactMap { $0["message"] }
    }

    private static func time(_ line: JSONValue) -> Timestamp? {
        line.at("message", "t")?.string.flatMap { ISOTime.parse($0) }
    }

    /// The message without what only streams or only requests have.
    private static func text(_ symbol: String, _ message: JSONValue) -> String {
        let members = (message.members ?? []).filter { !["T", "S", "u"].contains($0.key) }
        var writer = JSONWriter()
        writer.value(.object(members))
        return symbol + writer.text
    }

    private static func lines(_ path: String) throws -> [JSONValue] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
            try JSONValue.parse(String($0))
        }
    }
}
