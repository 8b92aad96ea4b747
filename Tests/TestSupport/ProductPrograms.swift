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

    /// Returns what is wrong with what a program says to people. Its help has these words and fits
    /// a terminal, its version begins with its name, and each of these wrong arguments ends with 64
    /// and a message that has a text.
    package static func complaints(
        _ product: String, help words: [String], wrong: [(arguments: [String], says: String)]
    ) throws -> [String] {
        let program = try path(product)
        let environment = profile(product)
        let help = try run(program, ["--help"], environment: environment)
        var complaints = words.filter { !help.contains($0) }.map { "the help lacks \($0)" }
        complaints += help.split(separator: "\n").filter { $0.count > 100 }.map {
            "too long: \($0)"
        }
        let version = try run(program, ["--version"], environment: environment)
        if !version.hasPrefix("\(product) ") { complaints.append("the version is \(version)") }
        for (arguments, says) in wrong {
            do {
                _ = try run(program, arguments, environment: environment)
                complaints.append("\(arguments) are taken")
            } catch let failure as ProgramFailure {
                guard failure.status != 64 || !failure.message.contains(says) else { continue }
                complaints.append("\(arguments): \(failure)")
            }
        }
        return complaints
    }

    package struct Missing: Error, CustomStringConvertible {
        package let path: String
        package var description: String { "\(path) is missing: run 'swift build --build-tests'" }
    }
}
