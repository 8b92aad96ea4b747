public import YAMLFile

public typealias GraphProblem = FileMistake
public typealias GraphProblems = FileMistakes
public typealias GraphFileFailure = FileFailure

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

extension ProblemList {
    static func load(
        _ path: String, _ files: GraphFiles, _ problems: inout ProblemList
    ) -> YAMLNode? {
        load(path, files.read, &problems)
    }
}
