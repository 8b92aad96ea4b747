/// One mistake in a file, for a person: the place, what is wrong, and what to do.
package struct FileMistake: Hashable, Sendable, CustomStringConvertible {
    package let file: String
    /// `nil` when the mistake concerns the complete file.
    package let position: YAMLPosition?
    package let what: String

    package init(file: String, position: YAMLPosition?, what: String) {
        self.file = file
        self.position = position
        self.what = what
    }

    package var description: String {
        guard let position else { return "\(file): \(what)" }
        return "\(file):\(position): \(what)"
    }
}

/// All mistakes in a file and in the files that it names.
package struct FileMistakes: Error, Hashable, Sendable, CustomStringConvertible {
    package let all: [FileMistake]

    package init(_ all: [FileMistake]) { self.all = all }

    /// One line per mistake.
    package var lines: [String] { all.map(\.description) }
    package var description: String { lines.joined(separator: "\n") }
}

/// Why a file could not be read: `cannot be opened: No such file or directory`.
package struct FileFailure: Error, Hashable, Sendable {
    package let what: String

    package init(_ what: String) { self.what = what }
}
