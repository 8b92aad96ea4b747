import Foundation

/// Files of the checkout, as people, servers and programs of others read them.
package enum CheckoutFiles {
    package static func text(_ path: String) throws -> String {
        try String(contentsOfFile: "\(ServerPrograms.checkout)/\(path)", encoding: .utf8)
    }

    /// Returns the lines that are not empty.
    package static func lines(_ path: String) throws -> [String] {
        try text(path).split(separator: "\n").map(String.init)
    }

    /// Returns the names in a folder that have this ending.
    package static func names(in folder: String, ending: String = "") throws -> [String] {
        try FileManager.default
            .contentsOfDirectory(atPath: "\(ServerPrograms.checkout)/\(folder)")
            .filter { $0.hasSuffix(ending) }.sorted()
    }
}
