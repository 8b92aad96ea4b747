/// Why a text cannot be read, and where: what is wrong, and what to do.
package struct YAMLProblem: Error, Hashable, Sendable, CustomStringConvertible {
    package let position: YAMLPosition
    package let what: String

    package init(_ position: YAMLPosition, _ what: String) {
        self.position = position
        self.what = what
    }

    package var description: String { "\(position): \(what)" }
}

/// The bounds of one file. Beyond each, reading it is an error.
package enum YAMLLimits {
    package static let bytesMax = 1 << 20
    package static let depthMax = 32
    /// The most values, including keys.
    package static let nodesMax = 100_000
}
