internal import CRevision

/// The version and the revision of everything that is built from this checkout.
package enum ProductVersion {
    package static let text = "0.1.0"
    /// The short hash of the commit, with `-dirty` when files differed from it. `unknown` if the
    /// build was not given one: by `swift build` alone, or without git.
    // Safety: the text is a constant of the program and ends with a zero.
    package static let revision = unsafe String(cString: tapeline_revision())

    /// Returns a version with its revision, for a person. The revision may be missing.
    package static func shown(_ version: String, _ revision: String) -> String {
        revision.isEmpty ? version : "\(version) (\(revision))"
    }

    /// Returns the answer of a program to `--version`.
    package static func line(_ program: String) -> String {
        "\(program) \(shown(text, revision))"
    }
}
