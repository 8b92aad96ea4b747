import Foundation
import GraphLanguage
import OperatorGraph
import YAMLFile
import Testing

/// A test's files in memory. Other files are those of the product and the system.
enum GraphFolder {
    static let checkout = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
    /// The folder of the graphs that are shipped.
    static let graphs = checkout.appendingPathComponent("services/operator-worker/graphs")

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

    /// Returns the graph that a text is.
    static func read(_ text: String, others: [String: String] = [:]) throws -> GraphDefinition {
        try GraphFile.read("g.yaml", with(text, others: others))
    }

    /// Returns the messages about a graph, a line each; empty: it is right.
    static func problems(_ text: String, others: [String: String] = [:]) -> [String] {
        do {
            _ = try GraphFile.read("g.yaml", with(text, others: others))
            return []
        } catch {
            return error.lines
        }
    }
}

/// Lines of a graph's nodes that are refused, and a part of the message that has to say why.
struct WrongNodes: Sendable, CustomStringConvertible {
    let nodes: [String]
    let complaint: String

    var description: String { nodes.joined(separator: "; ") }

    /// Expects the complaint when the nodes stand under this head of a file.
    func expectComplaint(under head: String, _ location: SourceLocation = #_sourceLocation) {
        let found = GraphFolder.problems(head + nodes.map { "  \($0)\n" }.joined())
        #expect(
            found.contains { $0.contains(complaint) }, "\(found)", sourceLocation: location)
    }

    /// Reads a text of nodes. A line `  -> <complaint>` ends each group of them.
    static func read(_ text: String) -> [WrongNodes] {
        var all: [WrongNodes] = []
        var nodes: [String] = []
        for line in text.split(separator: "\n") {
            guard line.hasPrefix("  -> ") else {
                nodes.append(String(line))
                continue
            }
            all.append(WrongNodes(nodes: nodes, complaint: String(line.dropFirst(5))))
            nodes = []
        }
        return all
    }
}
