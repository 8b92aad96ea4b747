import Foundation

/// The programs of this package, for tests that start them as processes. They are in the folder of
/// the test bundle, so they are from the same build, with the same instrumentation.
///
/// `swift build --build-tests` makes them; `swift test` alone makes only what tests import.
package enum ProductPrograms {
    package static var folder: String {
        let bundle = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        return bundle.deletingLastPathComponent().path
    }

    package static func path(_ product: String) throws -> String {
        let path = "\(folder)/\(product)"
        guard FileManager.default.isExecutableFile(atPath: path) else { throw Missing(path: path) }
        return path
    }

    /// In a coverage run: one profile per process, beside those of the test process.
    package static func profile(_ product: String) -> [String: String] {
        guard let profile = ProcessInfo.processInfo.environment["LLVM_PROFILE_FILE"] else {
            return [:]
        }
        let own = profile.replacingOccurrences(of: "default", with: "\(product)-%p")
        return ["LLVM_PROFILE_FILE": own]
    }

    package struct Missing: Error, CustomStringConvertible {
        package let path: String
        package var description: String { "\(path) is missing: run 'swift build --build-tests'" }
    }
}
