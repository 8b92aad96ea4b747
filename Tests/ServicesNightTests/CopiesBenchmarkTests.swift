import Primitives
import TestSupport
import Testing

@testable import ServicesTests

/// What three copies cost is measured on real servers by two programs. A short run shows that all
/// of it is measured.
@Suite("The benchmark of copies")
struct CopiesBenchmarkTests {
    private struct Row {
        let value: Double
        let peer: Double
    }

    @Test("each figure is there with one copy and with three, beside that of the bare program")
    func figures() throws {
        let output = try run(
            ProductPrograms.path("TapeBenchmark"),
            ["copies", "paced", "window", "full", "--quick", "--json"])
        let rows = try Self.rows(output)
        let loads = [
            "400 packets/s of 16 ticks", "16 ticks a packet, a gateway's window",
            "1024 ticks a packet, one in flight for each subject",
        ]
        #expect(rows.count == loads.count * 16)
        for load in loads {
            let bytes = try Self.packetBytes(load, output)
            for copies in ["1 copy", "3 copies"] {
                func row(_ figure: String) throws -> Row {
                    try #require(rows["\(copies), \(load), sync always: \(figure)"])
                }
                let (packets, megabytes) = (try row("published"), try row("bytes"))
                let (p50, p99, max) = (try row("ack p50"), try row("ack p99"), try row("ack max"))
                for value in [\Row.value, \Row.peer] {
                    #expect(packets[keyPath: value] > 0)
                    let expected = packets[keyPath: value] * bytes / 1e6
                    #expect(abs(megabytes[keyPath: value] - expected) <= expected / 1_000)
                    #expect(p50[keyPath: value] > 0)
                    #expect(p50[keyPath: value] <= p99[keyPath: value])
                    #expect(p99[keyPath: value] <= max[keyPath: value])
                }
            }
            // In the rows that compare copies, one copy is the peer.
            for (program, value) in [("tape", \Row.value), ("libnats", \Row.peer)] {
                let both = try #require(
                    rows["3 copies by \(program), \(load), sync always: published"])
                let three = try #require(rows["3 copies, \(load), sync always: published"])
                let one = try #require(rows["1 copy, \(load), sync always: published"])
                #expect(both.value == three[keyPath: value])
                #expect(both.peer == one[keyPath: value])
            }
        }
    }

    private static func rows(_ output: String) throws -> [String: Row] {
        var rows: [String: Row] = [:]
        for line in output.split(separator: "\n") where line.hasPrefix("{\"row\":") {
            let row = try JSONValue.parse(String(line))
            let name = try #require(row["row"]?.string)
            #expect(rows[name] == nil, "\(name) is there twice")
            rows[name] = Row(
                value: try #require(row["value"]?.double),
                peer: try #require(row["peer_value"]?.double))
        }
        return rows
    }

    /// Returns the bytes of the load's packets, as the line above its table says.
    private static func packetBytes(_ load: String, _ output: String) throws -> Double {
        let line = output.split(separator: "\n").first { $0.hasPrefix("\(load), ") }
        let words = try #require(line).dropFirst(load.count + 2).split(separator: " ")
        return try #require(words.first.flatMap { Double($0) })
    }
}
