import Foundation
import TestSupport
import YAMLFile

/// Files of the checkout, as people and Prometheus read them.
enum CheckoutFiles {
    static func text(_ path: String) throws -> String {
        try String(contentsOfFile: "\(ServerPrograms.checkout)/\(path)", encoding: .utf8)
    }

    /// Returns the names in a folder that have this ending.
    static func files(in folder: String, ending: String) throws -> [String] {
        try FileManager.default
            .contentsOfDirectory(atPath: "\(ServerPrograms.checkout)/\(folder)")
            .filter { $0.hasSuffix(ending) }.sorted()
    }

    static func yaml(_ path: String) throws -> YAMLNode {
        try YAMLFile.parse(Array(try text(path).utf8))
    }
}

extension YAMLNode {
    subscript(key: String) -> YAMLNode? { mapping?.first { $0.key == key }?.value }

    var text: String? { scalar?.text }
}
