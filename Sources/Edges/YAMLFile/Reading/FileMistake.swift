/// One mistake in a file, for a person: the place, what is wrong, and what to do.
public struct FileMistake: Hashable, Sendable, CustomStringConvertible {
    public let file: String
    /// `nil` when the mistake concerns the complete file.
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

/// All mistakes in a file and in the files that it names.
public struct FileMistakes: Error, Hashable, Sendable, CustomStringConvertible {
    public let all: [FileMistake]

    public init(_ all: [FileMistake]) { self.all = all }

    /// One line per mistake.
    public var lines: [String] { all.map(\.description) }
    public var description: String { lines.joined(separator: "\n") }
}

/// Why a file could not be read: `cannot be opened: No such file or directory`.
public struct FileFailure: Error, Hashable, Sendable {
    public let what: String

    public init(_ what: String) { self.what = what }
}
