public import YAMLFile

public typealias GraphProblem = FileMistake
public typealias GraphProblems = FileMistakes
public typealias GraphFileFailure = FileFailure

/// The access of graphs to files, time zones and custom operators, passed in by the caller.
public struct GraphFiles: Sendable {
    public let read:
        @Sendable (_ path: String, _ bytesMax: Int) -> Result<[UInt8], GraphFileFailure>
    /// The folder with the system's time zones.
    public let zones: String
    /// The names of registered custom operators; `nil` means that any name is accepted.
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
