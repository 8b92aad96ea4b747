package import YAMLFile

package typealias GraphProblem = FileMistake
package typealias GraphProblems = FileMistakes
package typealias GraphFileFailure = FileFailure

/// The access of graphs to files, time zones and custom operators, passed in by the caller.
package struct GraphFiles: Sendable {
    package let read:
        @Sendable (_ path: String, _ bytesMax: Int) -> Result<[UInt8], GraphFileFailure>
    /// The folder with the system's time zones.
    package let zones: String
    /// The names of registered custom operators; `nil` means that any name is accepted.
    package let customOperators: Set<String>?

    package static let systemZones = "/usr/share/zoneinfo"

    package init(
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
    /// Returns what `read` finds in a file, or throws the problems.
    static func reading<Value>(
        _ path: String, _ read: (inout ProblemList) -> Value?
    ) throws(GraphProblems) -> Value {
        var problems = ProblemList(file: path)
        if let value = read(&problems), problems.isEmpty { return value }
        throw problems.sorted
    }

    static func load(
        _ path: String, _ files: GraphFiles, _ problems: inout ProblemList
    ) -> YAMLNode? {
        load(path, files.read, &problems)
    }
}
