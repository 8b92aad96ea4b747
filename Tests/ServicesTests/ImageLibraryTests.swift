import Foundation
import TestSupport
import Testing

/// Whether an image has the libraries of its programs. Without one of them the program does not
/// start, and nothing says so before somebody starts the container.
@Suite("The libraries of images")
struct ImageLibraryTests {
    /// What Debian's smallest image has: what its packet manager needs.
    private static let base: Set = ["apt", "dpkg", "base-files", "libc-bin"]

    /// What each installed package needs, without versions.
    private static let dependencies = Result {
        var found: [String: Set<String>] = [:]
        for line in try run(
            "/usr/bin/dpkg-query", ["-W", "-f", "${Package}\t${Depends}, ${Pre-Depends}\n"]
        ).split(separator: "\n") {
            let parts = line.split(separator: "\t", maxSplits: 1)
            guard parts.count == 2 else { continue }
            // Of alternatives the first one is installed.
            let names = parts[1].split(separator: ",").map { name in
                String(name.drop { $0 == " " }.prefix { $0 != " " && $0 != ":" })
            }
            found[String(parts[0]), default: []].formUnion(names)
        }
        return found
    }

    /// Returns these packages and all that they need.
    private static func installed(_ names: Set<String>) throws -> Set<String> {
        let needs = try dependencies.get()
        var (all, open) = (names, names)
        while let name = open.popFirst() {
            open.formUnion((needs[name] ?? []).subtracting(all))
            all.formUnion(needs[name] ?? [])
        }
        return all
    }

    /// Returns the packages that hold the libraries of a program. Those of Swift are in the
    /// programs of images.
    private static func needed(by program: String) throws -> Set<String> {
        let libraries = try run("/usr/bin/ldd", ["\(ProductPrograms.folder)/\(program)"])
            .matches(of: /(\S+) => (\S+)/)
            .filter { !$0.2.contains("/swift/") }.map { "*/\($0.1)" }
        return Set(
            try run("/usr/bin/dpkg-query", ["-S"] + libraries).split(separator: "\n").map {
                String($0.prefix { $0 != ":" })
            })
    }

    @Test("an image installs the libraries of its programs", arguments: ImageTests.dockerfiles)
    func libraries(path: String) throws {
        let file = try String(
            contentsOfFile: "\(ServerPrograms.checkout)/\(path)", encoding: .utf8)
        let runtime = try #require(file.components(separatedBy: "\nFROM debian:").last)
        let list = try #require(runtime.firstMatch(of: /--no-install-recommends ([^&]+)&& rm/)).1
        let named = Set(list.split { $0 == " " || $0 == "\\" || $0 == "\n" }.map(String.init))
        let there = try Self.installed(named.union(Self.base))
        let programs = runtime.matches(of: /\/out\/([a-z-]+)/).map { String($0.1) }
        #expect(!programs.isEmpty)
        for program in programs {
            let needed = try Self.needed(by: program)
            #expect(needed.contains("libc6") && needed.count > 3, "\(program): \(needed)")
            #expect(needed.subtracting(there) == [], "\(program)")
        }
    }
}
