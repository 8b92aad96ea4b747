import Foundation

/// Line coverage per target, from the JSON of `llvm-cov export`.
struct Coverage {
    /// The least percentage of covered lines of each target. Code below it counts as untested.
    static let floor = 85.0
    /// The variable that `make coverage` sets after all other tests. Without it there is nothing
    /// to read.
    static let variable = "TAPELINE_COVERAGE_JSON"
    static var path: String? { ProcessInfo.processInfo.environment[variable] }

    struct File: Equatable {
        let path: String
        let lines: Int
        let covered: Int
    }

    struct Target: Equatable {
        let name: String
        let files: [File]

        var lines: Int { files.reduce(0) { $0 + $1.lines } }
        var covered: Int { files.reduce(0) { $0 + $1.covered } }
        var percent: Double { lines == 0 ? 100 : 100 * Double(covered) / Double(lines) }
        /// The file with the most uncovered lines.
        var worst: File? { files.max { $0.lines - $0.covered < $1.lines - $1.covered } }
    }

    let targets: [Target]

    struct Malformed: Error, CustomStringConvertible {
        var description: String { "this is no JSON of llvm-cov: export it with 'llvm-cov export'" }
    }

    /// Counts only files in `Sources/`, `Equipment/` and `services/` below `root`.
    init(json: Data, root: String) throws {
        struct Document: Decodable {
            struct Part: Decodable { let files: [Entry] }
            struct Entry: Decodable {
                struct Summary: Decodable { let lines: Lines }
                struct Lines: Decodable { let count, covered: Int }
                let filename: String
                let summary: Summary
            }
            let data: [Part]
        }
        guard let document = try? JSONDecoder().decode(Document.self, from: json) else {
            throw Malformed()
        }
        var files: [String: [File]] = [:]
        for entry in document.data.flatMap(\.files) where entry.filename.hasPrefix(root + "/") {
            let path = String(entry.filename.dropFirst(root.count + 1))
            guard let module = SourceFile(path: path, text: "").module else { continue }
            files[module, default: []].append(
                File(
                    path: path, lines: entry.summary.lines.count,
                    covered: entry.summary.lines.covered))
        }
        targets = files.map { Target(name: $0.key, files: $0.value) }.sorted { $0.name < $1.name }
    }

    /// Returns a sentence for each target that is below the floor or was not measured.
    func problems(modules: Set<String>) -> [String] {
        let low = targets.filter { $0.percent < Self.floor }.map { target in
            let percent = String(format: "%.1f", target.percent)
            let worst = target.worst.map { ", most of them in \($0.path)" } ?? ""
            return "\(target.name): \(percent) % of its \(target.lines) lines are covered; "
                + "\(target.lines - target.covered) are not\(worst). "
                + "The floor is \(Int(Self.floor)) %: test what can fail there ('make coverage')"
        }
        let missing = modules.subtracting(targets.map(\.name)).sorted().map {
            "\($0): no test measures it. Let a test import it, or start its program"
        }
        return low + missing
    }
}
