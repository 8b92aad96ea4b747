/// An error in an expression, with its place in characters from 0.
public struct ExpressionProblem: Error, Hashable, Sendable, CustomStringConvertible {
    public let offset: Int
    public let what: String

    public init(_ offset: Int, _ what: String) {
        self.offset = offset
        self.what = what
    }

    public var description: String { "character \(offset + 1): \(what)" }
}
