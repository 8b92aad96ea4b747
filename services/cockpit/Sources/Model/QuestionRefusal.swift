import MarketModel
import Primitives

/// What cannot be asked, in words. Everything that a question's parameters say comes from outside.
struct QuestionRefusal: Error, Equatable, CustomStringConvertible {
    /// The longest text of a number or a time that is read.
    private static let textBytesMax = 40

    let description: String

    init(_ description: String) { self.description = description }

    static func symbol(_ text: String) throws(QuestionRefusal) -> Symbol {
        guard let symbol = Symbol(text) else {
            throw QuestionRefusal(
                "a symbol has 1 to \(Symbol.utf8CountMax) bytes and no control characters")
        }
        return symbol
    }

    static func source(_ text: String) throws(QuestionRefusal) -> SourceName {
        guard let source = SourceName(text) else {
            throw QuestionRefusal("a source is a name of a-z, 0-9 and -, at most 24")
        }
        return source
    }

    static func time(_ text: String) throws(QuestionRefusal) -> Timestamp {
        guard text.utf8.count <= textBytesMax, let time = ISOTime.parse(text) else {
            throw QuestionRefusal("a time is written as 2026-11-20T14:31:00Z, from 1678 to 2262")
        }
        return time
    }
}
