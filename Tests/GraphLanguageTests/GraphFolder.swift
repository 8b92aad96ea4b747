import Foundation
import GraphLanguage
import OperatorGraph
import YAMLFile

/// A test's files in memory. Other files are those of the product and the system.
enum GraphFolder {
    static let graphs = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("services/operator-worker/graphs")

    /// Reads files from the disk.
    static let product = GraphFiles { path, _ in disk(path) }

    /// Returns files in which `g.yaml` is the text. Other paths are those of the product's folder.
    static func with(
        _ text: String, others: [String: String] = [:], customOperators: Set<String>? = nil
    ) -> GraphFiles {
        GraphFiles(customOperators: customOperators) { path, _ in
            if path == "g.yaml" { return .success(Array(text.utf8)) }
            if let other = others[path] { return .success(Array(other.utf8)) }
            return disk(path.hasPrefix("/") ? path : graphs.appendingPathComponent(path).path)
        }
    }

    private static func disk(_ path: String) -> Result<[UInt8], GraphFileFailure> {
        guard let data = FileManager.default.contents(atPath: path) else {
            return .failure(GraphFileFailure("cannot be opened"))
        }
        return .success([UInt8](data))
    }

    static func read(_ text: String, others: [String: String] = [:]) throws -> GraphDefinition {
        try GraphFile.read("g.yaml", with(text, others: others))
    }

    /// Returns one line per mistake.
    static func problems(_ text: String, others: [String: String] = [:]) -> [String] {
        do {
            _ = try GraphFile.read("g.yaml", with(text, others: others))
            return []
        } catch {
            return error.lines
        }
    }
}

/// Lines of a graph's nodes, and a part of the mistake that is told of them.
struct Mistake: Sendable, CustomStringConvertible {
    let lines: [String]
    let part: String

    var description: String { lines.joined(separator: "; ") }

    /// Reads rows of lines, each of which ends with a line `  -> <part>`.
    static func rows(_ text: String) -> [Mistake] {
        var rows: [Mistake] = []
        var lines: [String] = []
        for line in text.split(separator: "\n") {
            guard line.hasPrefix("  -> ") else {
                lines.append(String(line))
                continue
            }
            rows.append(Mistake(lines: lines, part: String(line.dropFirst(5))))
            lines = []
        }
        return rows
    }
}
