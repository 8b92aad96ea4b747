public import YAMLFile

/// One mistake in a file, for a person: where, what is wrong, and what to do.
public struct GraphProblem: Hashable, Sendable, CustomStringConvertible {
    public let file: String
    /// Nil: of the whole file.
    public let position: YAMLPosition?
    public let what: String

    public init(file: String, position: YAMLPosition?, what: String) {
        self.file = file
        self.position = position
        self.what = what
    }

    public var description: String {
        guard let position else { return "\(file): \(what)" }
        return "\(file):\(position): \(what)"
    }
}

/// Everything that is wrong with a graph and the files that it names.
public struct GraphProblems: Error, Hashable, Sendable, CustomStringConvertible {
    public let all: [GraphProblem]

    public init(_ all: [GraphProblem]) { self.all = all }

    /// One line each.
    public var lines: [String] { all.map(\.description) }
    public var description: String { lines.joined(separator: "\n") }
}

/// Why a file gave nothing: `cannot be opened: No such file or directory`.
public struct GraphFileFailure: Error, Hashable, Sendable {
    public let what: String

    public init(_ what: String) { self.what = what }
}

/// How graphs reach what is outside of them.
public struct GraphFiles: Sendable {
    public let read:
        @Sendable (_ path: String, _ bytesMax: Int) -> Result<[UInt8], GraphFileFailure>
    /// The folder with the system's time zones.
    public let zones: String
    /// The names under which custom operators are registered; nil: any name is taken.
    public let customOperators: Set<String>?

    public static let systemZones = "/usr/share/zoneinfo"

    public init(
        zones: String = Self.systemZones, customOperators: Set<String>? = nil,
        read:
            @escaping @Sendable (
                _ path: String, _ bytesMax: Int
            ) -> Result<[UInt8], GraphFileFailure>
    ) {
        self.read = read
        self.zones = zones
        self.customOperators = customOperators
    }
}

/// What was found wrong so far in one file.
struct ProblemList {
    let file: String
    private(set) var all: [GraphProblem] = []

    /// Beyond it, mistakes are counted and not listed.
    static let listedMax = 100
    private var unlisted = 0

    init(file: String) { self.file = file }

    var isEmpty: Bool { all.isEmpty }

    mutating func add(_ position: YAMLPosition?, _ what: String) {
        let problem = GraphProblem(file: file, position: position, what: what)
        if all.contains(problem) { return }
        if all.count < Self.listedMax { all.append(problem) } else { unlisted += 1 }
    }

    mutating func add(_ other: ProblemList) {
        for problem in other.all {
            if all.count < Self.listedMax { all.append(problem) } else { unlisted += 1 }
        }
        unlisted += other.unlisted
    }

    /// This file's own in order of their places, then those of the files that it names.
    var sorted: GraphProblems {
        let start = YAMLPosition(line: 0, column: 0)
        let own = all.filter { $0.file == file }.enumerated().sorted {
            ($0.element.position ?? start, $0.offset) < ($1.element.position ?? start, $1.offset)
        }
        var problems = own.map(\.element) + all.filter { $0.file != file }
        if unlisted > 0 {
            problems.append(
                GraphProblem(file: file, position: nil, what: "\(unlisted) problems more"))
        }
        return GraphProblems(problems)
    }

    /// Reads a file into its nodes.
    static func load(
        _ path: String, _ files: GraphFiles, _ problems: inout ProblemList
    ) -> YAMLNode? {
        switch files.read(path, YAMLLimits.bytesMax) {
        case .failure(let failure):
            problems.add(nil, "\(failure.what): is the path right?")
            return nil
        case .success(let bytes):
            do throws(YAMLProblem) {
                return try YAMLFile.parse(bytes)
            } catch {
                problems.add(error.position, error.what)
                return nil
            }
        }
    }
}
