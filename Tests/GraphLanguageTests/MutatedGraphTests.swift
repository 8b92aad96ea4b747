import Foundation
import GraphLanguage
import OperatorGraph
import Primitives
import StreamCore
import Testing
import YAMLFile

/// Reading any file ends with a definition or with problems.
@Suite("Damaged graph files")
struct MutatedGraphTests {
    private static let seed: UInt64 = 20_261_124

    private func text(_ path: String) throws -> [UInt8] {
        let url = GraphFolder.graphs.appendingPathComponent(path)
        return [UInt8](try Data(contentsOf: url))
    }

    /// Words of the language in wrong places find more faults than random bytes do.
    private static let words = [
        "live", "else", "-1s", "9223372036854775807", "99999999999d", "0", "''", "[]", "{}", "~",
        "trades", "quotes", "bars", "nyse", "2024-02-30", "24:00", "session", "1d", "price", "1e9",
        "a.b.c", ".", "not (", "- ", ": ", "\n", "\"", "#", "&a ", "*a", "!t ", "é", "\u{0}",
    ].map { Array($0.utf8) }

    private func mutate(_ bytes: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        var bytes = bytes
        for _ in 0...(random.next() % 3) where !bytes.isEmpty {
            let start = Int(random.next() % UInt64(bytes.count))
            let end = min(bytes.count, start + Int(random.next() % 12))
            let word = Self.words[Int(random.next() % UInt64(Self.words.count))]
            switch random.next() % 4 {
            case 0: bytes.replaceSubrange(start..<end, with: word)
            case 1: bytes.insert(contentsOf: word, at: start)
            case 2: bytes.removeSubrange(start..<end)
            default: bytes[start] = UInt8(truncatingIfNeeded: random.next())
            }
        }
        return bytes
    }

    private func count(_ path: String, rounds: Int, _ read: ([UInt8]) throws -> Void) throws {
        let good = try text(path)
        var random = SeededRandom(seed: Self.seed)
        var right = 0
        for _ in 0..<rounds {
            do {
                try read(mutate(good, &random))
                right += 1
            } catch let problems as GraphProblems {
                #expect(!problems.all.isEmpty)
                #expect(problems.lines.allSatisfy { !$0.contains("\n") }, "seed \(Self.seed)")
            }
        }
        print("\(path): \(right) of \(rounds) mutations were right (seed \(Self.seed))")
        #expect(right < rounds)
    }

    @Test(
        "graphs", arguments: ["simple.yaml", "production.yaml", "advanced.yaml"])
    func graphs(path: String) throws {
        let empty =
            "version: 1\nzone: Etc/UTC\nvalid: {from: 2024-01-01, to: 2024-01-08}\n"
            + "sessions: [{days: [mon], open: \"01:00\", close: \"02:00\"}]\n"
        let files = ["calendars/nyse.yaml": empty, "calendars/futures.yaml": empty]
        try count(path, rounds: 1_000) { bytes in
            let access = GraphFiles { path, limit in
                if path == "g.yaml" { return .success(bytes) }
                return GraphFolder.with("", others: files).read(path, limit)
            }
            _ = GraphDrawing(try GraphFile.read("g.yaml", access)).mermaid
        }
    }

    @Test("calendars")
    func calendars() throws {
        try count("calendars/futures.yaml", rounds: 400) { bytes in
            let access = GraphFiles { path, limit in
                path == "g.yaml" ? .success(bytes) : GraphFolder.product.read(path, limit)
            }
            _ = try CalendarFile.read("g.yaml", name: "g", access)
        }
    }

    @Test("tables of conditions")
    func conditions() throws {
        try count("conditions/us-stocks.yaml", rounds: 1_000) { bytes in
            let access = GraphFiles { _, _ in .success(bytes) }
            _ = try ConditionsFile.read("g.yaml", name: "g", access)
        }
    }
}
