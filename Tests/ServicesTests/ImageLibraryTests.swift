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

    /// The libraries that a program opens at its start. Those of Swift are part of the programs in
    /// images.
    private static func libraries(of program: String) throws -> [String] {
        try run("/usr/bin/ldd", ["\(ProductPrograms.folder)/\(program)"])
            .matches(of: /(\S+) => (\S+)/)
            .filter { !$0.2.contains("/swift/") }.map { String($0.1) }
    }

    /// The package that holds a file of each of these names. One question for all of them, because
    /// dpkg reads the lists of all packages for each.
    private static func packages(holding names: Set<String>) throws -> [String: String] {
        var found: [String: String] = [:]
        for line in try run("/usr/bin/dpkg-query", ["-S"] + names.map { "*/\($0)" })
            .split(separator: "\n")
        {
            guard let name = line.split(separator: "/").last else { continue }
            found[String(name)] = String(line.prefix { $0 != ":" })
        }
        return found
    }

    private static func runtime(of path: String) throws -> String {
        try #require(CheckoutFiles.text(path).components(separatedBy: "\nFROM debian:").last)
    }

    private static func programs(in runtime: String) -> [String] {
        runtime.matches(of: /\/out\/([a-z-]+)/).map { String($0.1) }
    }

    @Test("every image installs the libraries of its programs")
    func libraries() throws {
        var needs: [String: [String]] = [:]
        for path in ImageTests.dockerfiles {
            for program in Self.programs(in: try Self.runtime(of: path)) {
                needs[program] = try Self.libraries(of: program)
            }
        }
        let packages = try Self.packages(holding: Set(needs.values.joined()))
        for path in ImageTests.dockerfiles {
            let runtime = try Self.runtime(of: path)
            let list = try #require(
                runtime.firstMatch(of: /--no-install-recommends ([^&]+)&& rm/)
            ).1
            let named = Set(list.split { $0 == " " || $0 == "\\" || $0 == "\n" }.map(String.init))
            let there = try Self.installed(named.union(Self.base))
            let programs = Self.programs(in: runtime)
            #expect(!programs.isEmpty, "\(path)")
            for program in programs {
                let libraries = needs[program] ?? []
                #expect(libraries.count > 3, "\(path), \(program): \(libraries)")
                for library in libraries {
                    let package = packages[library] ?? "no package"
                    #expect(there.contains(package), "\(path), \(program): \(library), \(package)")
                }
            }
        }
    }
}
