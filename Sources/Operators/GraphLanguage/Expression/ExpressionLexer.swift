internal import YAMLFile

/// A word, number, text or sign of an expression.
struct ExpressionToken: Hashable {
    enum Kind: Hashable {
        case word
        /// Digits with at most one dot, and an optional unit of time after them.
        case number
        /// The text between quotes.
        case text
        case sign
        case end
    }

    var kind: Kind
    var text: String
    /// The position in the expression, in characters from 0.
    var offset: Int

    func isSign(_ sign: String) -> Bool { kind == .sign && text == sign }
    func isWord(_ word: String) -> Bool { kind == .word && text == word }

    /// The token as written in the canonical text.
    var written: String { kind == .text ? "\"\(text)\"" : text }

    /// The token as shown in messages.
    var shown: String { kind == .end ? "the end" : written }
}

/// Cuts an expression into tokens.
struct ExpressionLexer {
    /// The maximum length of an expression.
    static let bytesMax = 4_096

    private let scalars: [Unicode.Scalar]
    private var index = 0

    private init(_ text: String) { scalars = Array(text.unicodeScalars) }

    /// Returns the tokens. The last one is `.end`.
    static func tokens(_ text: String) throws(ExpressionProblem) -> [ExpressionToken] {
        guard text.utf8.count <= bytesMax else {
            throw ExpressionProblem(0, "the expression is longer than \(bytesMax) bytes: split it")
        }
        var lexer = ExpressionLexer(text)
        var tokens: [ExpressionToken] = []
        while let token = try lexer.next() { tokens.append(token) }
        tokens.append(ExpressionToken(kind: .end, text: "", offset: lexer.scalars.count))
        return tokens
    }

    /// Joins tokens with one space between two words, and none inside of brackets.
    static func canonical(_ tokens: [ExpressionToken]) -> String {
        var text = ""
        for token in tokens where token.kind != .end {
            let sticks = token.kind == .sign && [")", "]", ","].contains(token.text)
            if !text.isEmpty, !sticks, text.last != "(", text.last != "[" { text += " " }
            text += token.written
        }
        return text
    }

    /// Returns the next token; `nil` at the end.
    private mutating func next() throws(ExpressionProblem) -> ExpressionToken? {
        while index < scalars.count, [" ", "\t", "\n", "\r"].contains(scalars[index]) { index += 1 }
        guard index < scalars.count else { return nil }
        let first = scalars[index]
        if Self.isDigit(first) { return number() }
        if Self.isLetter(first) { return word() }
        if first == "\"" || first == "'" { return try quoted(first) }
        return try sign()
    }

    /// Returns the token up to `end`, and continues there.
    private mutating func take(_ kind: ExpressionToken.Kind, until end: Int) -> ExpressionToken {
        defer { index = end }
        return ExpressionToken(kind: kind, text: text(index..<end), offset: index)
    }

    private func text(_ range: Range<Int>) -> String {
        var text = ""
        text.unicodeScalars.append(contentsOf: scalars[range])
        return text
    }

    private mutating func number() -> ExpressionToken {
        var end = index
        while end < scalars.count, Self.isWordCharacter(scalars[end]) { end += 1 }
        return take(.number, until: end)
    }

    private mutating func word() -> ExpressionToken {
        var end = index
        while end < scalars.count, Self.isWordCharacter(scalars[end]) { end += 1 }
        return take(.word, until: end)
    }

    private mutating func quoted(
        _ quote: Unicode.Scalar
    ) throws(ExpressionProblem) -> ExpressionToken {
        let start = index
        var end = start + 1
        while end < scalars.count, scalars[end] != quote { end += 1 }
        guard end < scalars.count else {
            throw ExpressionProblem(start, "this text has no end: close it with \(quote)")
        }
        let inside = text(start + 1..<end)
        guard inside.unicodeScalars.allSatisfy({ $0 != "\"" && $0.value >= 0x20 }) else {
            throw ExpressionProblem(start, "a text holds no quotes or control characters")
        }
        index = end + 1
        return ExpressionToken(kind: .text, text: inside, offset: start)
    }

    private mutating func sign() throws(ExpressionProblem) -> ExpressionToken {
        let rest = text(index..<min(index + 2, scalars.count))
        if ["<=", ">=", "==", "!="].contains(rest) { return take(.sign, until: index + 2) }
        switch rest.prefix(1) {
        case "<", ">", "+", "-", "*", "/", "(", ")", "[", "]", ",":
            return take(.sign, until: index + 1)
        case "=": throw ExpressionProblem(index, "= is no comparison: write ==")
        case "&", "|": throw ExpressionProblem(index, "write the words 'and' and 'or'")
        case "!": throw ExpressionProblem(index, "write the word 'not', or != to compare")
        default:
            throw ExpressionProblem(
                index, "'\(rest.prefix(1))' means nothing here: put texts between quotes")
        }
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool {
        (0x30...0x39).contains(scalar.value)
    }

    private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
        (0x61...0x7a).contains(scalar.value | 0x20) || scalar == "_"
    }

    private static func isWordCharacter(_ scalar: Unicode.Scalar) -> Bool {
        isLetter(scalar) || isDigit(scalar) || scalar == "."
    }
}

/// Reads the numbers of expressions exactly, in 1e-9. Durations are in nanoseconds, which is the
/// same.
enum ExpressionNumber {
    enum Value: Hashable {
        case number(Int128)
        case duration(Int128)
    }

    static func parse(_ text: String) -> Value? {
        let digits = text.unicodeScalars.prefix { (0x30...0x39).contains($0.value) || $0 == "." }
        let unit = text.unicodeScalars[digits.endIndex...]
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        guard let whole = parts.first, parts.count <= 2, (1...20).contains(whole.count) else {
            return nil
        }
        let fraction = parts.count == 2 ? parts[1] : digits[digits.endIndex...]
        guard parts.count == 1 || (1...9).contains(fraction.count) else { return nil }
        var value: Int128 = 0
        for digit in whole { value = value * 10 + Int128(digit.value - 0x30) }
        for digit in fraction { value = value * 10 + Int128(digit.value - 0x30) }
        for _ in fraction.count..<9 { value *= 10 }
        if unit.isEmpty { return .number(value) }
        return duration(value, unit: String(unit))
    }

    private static func duration(_ value: Int128, unit: String) -> Value? {
        guard let scale = YAMLScalar.units.first(where: { $0.name == unit })?.nanoseconds,
            value <= Int128(Int64.max) * 1_000_000_000
        else { return nil }
        let (product, overflow) = value.multipliedReportingOverflow(by: Int128(scale))
        guard !overflow, product % 1_000_000_000 == 0 else { return nil }
        let nanoseconds = product / 1_000_000_000
        return nanoseconds <= Int128(Int64.max) ? .duration(nanoseconds) : nil
    }
}
