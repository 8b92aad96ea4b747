/// Why a text cannot be read, and where: what is wrong, and what to do.
public struct YAMLProblem: Error, Hashable, Sendable, CustomStringConvertible {
    public let position: YAMLPosition
    public let what: String

    public init(_ position: YAMLPosition, _ what: String) {
        self.position = position
        self.what = what
    }

    public var description: String { "\(position): \(what)" }
}

/// The bounds of one file. Beyond each, reading it is an error.
public enum YAMLLimits {
    public static let bytesMax = 1 << 20
    public static let depthMax = 32
    /// The most values, including keys.
    public static let nodesMax = 100_000
}
