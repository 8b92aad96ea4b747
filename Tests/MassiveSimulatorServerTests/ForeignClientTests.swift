import Foundation
import Primitives
import TestSupport
import Testing

@testable import MassiveSimulatorTests

/// The vendor's own client reads the stream and the requests. What it decodes must be exactly what
/// the simulator's logs have.
@Suite("The simulated Massive, read by the client massive")
struct ForeignClientTests {
    private static let script = "Tests/MassiveSimulatorServerTests/read_massive.py"
    private static let packages = "vendor-clients"
    /// The client has no member for the time at the exchange.
    private static let unknown: Set<String> = ["pt"]

    @Test("it reads every record as it was sent, pages of what happened, and bars of them")
    func read() throws {
        if let obstacle = PythonServer.obstacle(of: Self.packages) { return print(obstacle) }
        let folder = try TemporaryFolder("market")
        let simulator = try SimulatorProcess(
            [
                "--rate", "120", "--symbols", "AAPL,KO", "--busts", "12", "--late", "20",
                "--market-log", folder.file("market"),
            ], program: "massive-simulator")
        let said = try PythonServer.output(
            of: Self.script, ["\(simulator.port)", "\(simulator.controlPort)", "8"],
            packages: Self.packages)
        simulator.stop()
        let lines = try said.split(separator: "\n").map { try JSONValue.parse(String($0)) }
        let market = try Self.lines(folder.file("market"))
        try Self.compareStream(lines, truth: Self.lines(simulator.folder.file("truth")))
        try Self.compareRequests(lines, market)
        #expect(Self.messages(lines, from: "bars").count == 2)
    }

    /// The client stops in the middle, so it may lack the last records, of each connection.
    private static func compareStream(_ lines: [JSONValue], truth: [JSONValue]) throws {
        let seen = messages(lines, from: "stream").map(text)
        let sent = truth.filter { $0["record"] != nil }
        let connections = Set(sent.compactMap { $0["connection"]?.int }).sorted()
        #expect(connections.count == 2 && seen.count > 500)
        let halves = connections.map { number in
            sent.filter { $0["connection"]?.int == number }.compactMap { $0["message"].map(text) }
        }
        let (first, second) = (try #require(halves.first), try #require(halves.last))
        // Where the second connection begins in what was seen.
        let border = try #require(
            seen.firstIndex { $0 == second.first }, "nothing came after the cut")
        #expect(seen[..<border] == first[..<border])
        let rest = seen[border...]
        #expect(Array(rest) == Array(second.prefix(rest.count)))
        #expect(border > first.count / 2 && rest.count > 100)
        let kinds = Set(messages(lines, from: "stream").compactMap { $0["ev"]?.string })
        #expect(kinds.isSuperset(of: ["T", "Q", "A"]))
    }

    private static func compareRequests(_ lines: [JSONValue], _ market: [JSONValue]) throws {
        let asked = try #require(lines.first { $0["from"]?.string == "asked" }?["time"]?.int)
        for (origin, kind) in [("trades", "trade"), ("quotes", "quote")] {
            let rows = lines.filter { $0["from"]?.string == origin }
            let times = rows.compactMap { $0.at("message", "sip_timestamp")?.int }
            let (first, last) = (try #require(times.min()), try #require(times.max()))
            let logged = market.of(kind).filter {
                (first...last).contains($0["time"]?.int ?? 0)
            }
            let answered = rows.map { row in
                key(row["symbol"], row["message"], "sip_timestamp", "sequence_number")
            }
            let possible = logged.map { key($0.at("message", "sym"), $0, "time", nil) }
            // What was reported after the request may be missing.
            let due = logged.filter { ($0["time"]?.int ?? 0) < asked }
            let expected = due.map { key($0.at("message", "sym"), $0, "time", nil) }
            #expect(Set(answered).count == answered.count && answered.count > 300)
            #expect(Set(expected).isSubset(of: answered))
            #expect(Set(possible).isSuperset(of: answered))
        }
        compareBusts(lines, market, before: asked)
    }

    /// A trade that was cancelled says so.
    private static func compareBusts(
        _ lines: [JSONValue], _ market: [JSONValue], before asked: Int
    ) {
        func name(_ symbol: JSONValue?, _ sequence: JSONValue?) -> String {
            "\(symbol?.string ?? "") \(sequence?.int ?? 0)"
        }
        let rows = lines.filter { $0["from"]?.string == "trades" }
        let names = { (some: [JSONValue]) in
            Set(some.map { name($0["symbol"], $0.at("message", "sequence_number")) })
        }
        let marked = names(rows.filter { $0.at("message", "correction") != nil })
        let busts = market.of("bust")
        let early = busts.filter { ($0["time"]?.int ?? 0) < asked }
        let all = Set(busts.map { name($0.at("message", "sym"), $0.at("message", "q")) })
        let due = Set(early.map { name($0.at("message", "sym"), $0.at("message", "q")) })
        #expect(!marked.isEmpty && marked.isSubset(of: all))
        #expect(due.intersection(names(rows)).isSubset(of: marked))
    }

    /// The times and the sequence of a row, or of a line of the market's log.
    private static func key(
        _ symbol: JSONValue?, _ line: JSONValue?, _ time: String, _ sequence: String?
    ) -> String {
        let number = sequence.map { line?[$0] } ?? line?.at("message", "q")
        let happened = line?["happened"] ?? line?["participant_timestamp"]
        return [symbol?.string ?? "", "\(line?[time]?.int ?? 0)", "\(happened?.int ?? 0)"]
            .joined(separator: " ") + " \(number?.int ?? 0)"
    }

    private static func messages(_ lines: [JSONValue], from origin: String) -> [JSONValue] {
        lines.filter { $0["from"]?.string == origin }.compactMap { $0["message"] }
    }

    /// The message without what the client does not know, in the order of names. Python writes
    /// whole numbers of prices with a fraction.
    private static func text(_ message: JSONValue) -> String {
        let members = (message.members ?? []).filter { !unknown.contains($0.key) }
        return members.sorted { $0.key < $1.key }.map { member in
            let value = member.value
            return "\(member.key)=\(value.string ?? value.double.map { "\($0)" } ?? "\(value)")"
        }.joined(separator: " ")
    }

    private static func lines(_ path: String) throws -> [JSONValue] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
            try JSONValue.parse(String($0))
        }
    }
}
