/// An error in an expression, with its place in characters from 0.
package struct ExpressionProblem: Error, Hashable, Sendable, CustomStringConvertible {
    package let offset: Int
    package let what: String

    package init(_ offset: Int, _ what: String) {
        self.offset = offset
        self.what = what
    }

    package var description: String { "character \(offset + 1): \(what)" }
}
