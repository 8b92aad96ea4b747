import Foundation

/// A text file of the repository, with Swift source split into its parts.
struct SourceFile: Sendable {
    let path: String
    let text: String
    let lines: [String]
    /// `nil` for files other than Swift.
    let swift: SwiftText?
    let bytes: [UInt8]
    let codeLines: [String]
    let commentLines: [String]

    init(path: String, text: String) {
        self.path = path
        self.text = text
        bytes = Array(text.utf8)
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        swift = path.hasSuffix(".swift") ? SwiftText(text) : nil
        codeLines = swift?.codeLines ?? []
        commentLines = swift?.commentLines ?? []
    }

    /// True for the source of the shipped programs: everything but tests.
    var isProduct: Bool { path.hasPrefix("Sources/") || path.hasPrefix("services/") }
    /// Of the product, or of the equipment for its tests and demonstrations.
    var isSource: Bool { isProduct || path.hasPrefix("Equipment/") }
    var isTest: Bool { path.hasPrefix("Tests/") }

    /// Returns a violation for each of the lines, which are the file's code, comments or whole
    /// lines, of which something is said.
    func violations(in lines: [String], _ said: (String) -> String?) -> [Violation] {
        lines.enumerated().compactMap { index, line in
            said(line).map { Violation(path, index + 1, $0) }
        }
    }

    /// `Primitives` of `Sources/Model/Primitives/…`, `cockpit` of `services/cockpit/Sources/…` and
    /// of a part beside it, as `services/cockpit/PageFiles/…`.
    var module: String? {
        let parts = path.split(separator: "/").map(String.init)
        switch parts.first {
        case "Sources" where parts.count > 3: return parts[2]
        case "Equipment" where parts.count > 2: return parts[1]
        case "services" where parts.count > 3 && parts[2] != "Program": return parts[1]
        default: return nil
        }
    }

    /// `Model` of `Sources/Model/Primitives/…`, `services` of a service, `Equipment`.
    var group: String? {
        guard module != nil else { return nil }
        let parts = path.split(separator: "/", maxSplits: 2)
        return parts.first == "Sources" ? String(parts[1]) : String(parts[0])
    }
}

/// The files under version control, as the rules read them.
struct Repository: Sendable {
    let files: [SourceFile]
    /// Every tracked path, including files that are not text.
    let paths: Set<String>

    init(files: [String: String]) {
        self.files = files.map { SourceFile(path: $0.key, text: $0.value) }.sorted {
            $0.path < $1.path
        }
        paths = Set(files.keys)
    }

    private init(files: [SourceFile], paths: Set<String>) {
        self.files = files
        self.paths = paths
    }

    var swift: [SourceFile] { files.filter { $0.swift != nil } }

    func file(_ path: String) -> SourceFile? { files.first { $0.path == path } }

    /// Returns whether there is such a file, or a folder with files in it.
    func exists(_ path: String) -> Bool {
        paths.contains(path) || path.isEmpty || paths.contains { $0.hasPrefix(path + "/") }
    }

    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    /// Returns the existing files that `git ls-files` lists, including new ones that git does not
    /// ignore.
    static func tracked() throws -> Repository {
        let listed = try git(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        let paths = listed.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        let present = paths.filter { FileManager.default.fileExists(atPath: "\(root)/\($0)") }
        let files: [SourceFile] = try Set(present).sorted().compactMap { path in
            let data = try Data(contentsOf: URL(fileURLWithPath: "\(root)/\(path)"))
            guard !data.contains(0), let text = String(data: data, encoding: .utf8) else {
                return nil
            }
            return SourceFile(path: path, text: text)
        }
        return Repository(files: files, paths: Set(present))
    }

    struct GitFailed: Error, CustomStringConvertible {
        let arguments: [String]
        let status: Int32
        var description: String {
            "git \(arguments[0]) ended with \(status): the house rules need a checkout"
        }
    }

    private static func git(_ arguments: [String]) throws -> Data {
        // The checkout may belong to another user than the tester (root in a container).
        let (status, output) = try Program.run(
            ["git", "-C", root, "-c", "safe.directory=*"] + arguments)
        guard status == 0 else { throw GitFailed(arguments: arguments, status: status) }
        return output
    }
}
