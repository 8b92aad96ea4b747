package import MarketModel
internal import Primitives
package import StreamCore

extension TickExpression {
    /// Compiles a written condition on ticks of one kind. Behind a join, trades have the fields of
    /// quotes, too.
    package static func compile(
        _ text: String, kind: DataKind, isJoined: Bool = false
    ) throws(ExpressionProblem) -> TickExpression {
        var compiler = ExpressionCompiler(
            try ExpressionLexer.tokens(text), kind: kind, isJoined: isJoined)
        return try compiler.compile()
    }
}

extension TickExpression {
    /// Compiles a written condition on the bars of a scan.
    package static func compile(ofScan text: String) throws(ExpressionProblem) -> TickExpression {
        var compiler = ExpressionCompiler(
            try ExpressionLexer.tokens(text), kind: .providerBar, isJoined: false, isScan: true)
        return try compiler.compile()
    }

    /// An input of an expression that makes a number, by its name there.
    package typealias NamedInput = (name: String, input: Derivation.Input)

    /// Compiles a written number of inputs. Returns those that it uses, each once: the index of
    /// `.input` is one of them.
    package static func compile(
        _ text: String, of inputs: [NamedInput]
    ) throws(ExpressionProblem) -> (expression: TickExpression, used: [NamedInput]) {
        var compiler = ExpressionCompiler(
            try ExpressionLexer.tokens(text), kind: .any, isJoined: false, inputs: inputs)
        let expression = try compiler.compile()
        return (expression, compiler.used)
    }
}

/// The kind of value at a place of an expression. Texts and symbols are never on the stack: the
/// comparison that uses them contains them.
enum ExpressionValue: Equatable {
    case truth
    case number
    case time
    case duration
    case text(TickField)
    case symbol
    case literal(String)

    /// The kind in words, for messages.
    var shown: String {
        switch self {
        case .truth: "a condition"
        case .number: "a number"
        case .time: "a time"
        case .duration: "a duration"
        case .text(let field): "the text \(field.rawValue)"
        case .symbol: "the symbol"
        case .literal(let text): "the text \"\(text)\""
        }
    }
}

/// Compiles tokens to instructions in one pass, by recursive descent. Each function of the grammar
/// reads one part of the expression, emits its instructions, and returns the kind of its value.
struct ExpressionCompiler {
    /// The maximum nesting of brackets and signs.
    static let depthMax = 32

    let tokens: [ExpressionToken]
    /// The kind of ticks that the expression is about.
    let kind: DataKind
    /// Whether they are trades behind a join.
    let isJoined: Bool
    /// Whether they are bars of the graph, which have the numbers of `ScanRule`.
    let isScan: Bool
    /// The inputs of a number; `nil`: it is a condition.
    let inputs: [TickExpression.NamedInput]?
    /// The inputs so far.
    var used: [TickExpression.NamedInput] = []
    /// The index of the next token.
    var index = 0
    var instructions: [TickExpression.Instruction] = []
    var symbolLists: [[Symbol]] = []
    /// The number of values on the stack after the instructions so far.
    private var stack = 0
    /// The nesting at the next token.
    private var depth = 0

    init(
        _ tokens: [ExpressionToken], kind: DataKind, isJoined: Bool, isScan: Bool = false,
        inputs: [TickExpression.NamedInput]? = nil
    ) {
        self.isScan = isScan
        self.inputs = inputs
        self.tokens = tokens
        self.kind = kind
        self.isJoined = isJoined
    }

    /// The next token.
    var token: ExpressionToken { tokens[index] }

    mutating func compile() throws(ExpressionProblem) -> TickExpression {
        guard token.kind != .end else { throw ExpressionProblem(0, "the expression is empty") }
        let value = try disjunction()
        guard token.kind == .end else {
            throw ExpressionProblem(
                token.offset,
                "\(token.shown) follows: "
                    + (inputs == nil
                        ? "join conditions by 'and' or 'or'"
                        : "join numbers by '+', '-', '*' or '/'"))
        }
        guard inputs == nil || value == .number else {
            throw ExpressionProblem(0, "the whole is \(value.shown), not a number")
        }
        guard inputs != nil || value == .truth else {
            throw ExpressionProblem(
                0, "the whole is \(value.shown), not a condition: compare it with something")
        }
        return TickExpression(
            text: ExpressionLexer.canonical(tokens), instructions: instructions,
            symbolLists: symbolLists)
    }

    // MARK: tokens and instructions

    mutating func advance() { if token.kind != .end { index += 1 } }

    /// Skips the sign if it comes next. Returns whether it did.
    mutating func skip(_ sign: String) -> Bool {
        guard token.isSign(sign) else { return false }
        advance()
        return true
    }

    /// Skips the word if it comes next. Returns whether it did.
    private mutating func skipWord(_ word: String) -> Bool {
        guard token.isWord(word) else { return false }
        advance()
        return true
    }

    /// Appends an instruction. `change` is the number of values that it adds to the stack; negative
    /// if it removes some.
    mutating func emit(
        _ instruction: TickExpression.Instruction, _ change: Int, at offset: Int
    ) throws(ExpressionProblem) {
        instructions.append(instruction)
        stack += change
        guard instructions.count <= TickExpression.instructionsMax else {
            throw ExpressionProblem(
                offset, "the expression has more than \(TickExpression.instructionsMax) steps")
        }
        guard stack <= TickExpression.stackMax else {
            throw ExpressionProblem(
                offset, "more than \(TickExpression.stackMax) values wait for each other here")
        }
    }

    // MARK: conditions

    /// Reads conditions that are joined by `or`.
    private mutating func disjunction() throws(ExpressionProblem) -> ExpressionValue {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthMax else {
            throw ExpressionProblem(
                token.offset, "brackets are nested deeper than \(Self.depthMax)")
        }
        var value = try conjunction()
        while token.isWord("or") {
            let place = token.offset
            advance()
            try need(.truth, value, "or", place)
            value = try conjunction()
            try need(.truth, value, "or", place)
            try emit(.or, -1, at: place)
        }
        return value
    }

    /// Reads conditions that are joined by `and`.
    private mutating func conjunction() throws(ExpressionProblem) -> ExpressionValue {
        var value = try negation()
        while token.isWord("and") {
            let place = token.offset
            advance()
            try need(.truth, value, "and", place)
            value = try negation()
            try need(.truth, value, "and", place)
            try emit(.and, -1, at: place)
        }
        return value
    }

    private mutating func negation() throws(ExpressionProblem) -> ExpressionValue {
        guard token.isWord("not") else { return try comparison() }
        let place = token.offset
        advance()
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthMax else {
            throw ExpressionProblem(place, "conditions are nested deeper than \(Self.depthMax)")
        }
        try need(.truth, try negation(), "not", place)
        try emit(.not, 0, at: place)
        return .truth
    }

    /// Throws unless the value is of the kind that the word takes.
    private func need(
        _ wanted: ExpressionValue, _ value: ExpressionValue, _ word: String, _ place: Int
    ) throws(ExpressionProblem) {
        guard value == wanted else {
            throw ExpressionProblem(
                place, "'\(word)' takes conditions, and this is \(value.shown): compare it first")
        }
    }

    private static let comparisons: [String: TickExpression.Instruction] = [
        "<": .less, "<=": .lessOrEqual, "==": .equal, "!=": .notEqual, ">=": .greaterOrEqual,
        ">": .greater,
    ]

    private mutating func comparison() throws(ExpressionProblem) -> ExpressionValue {
        let left = try sum()
        let place = token.offset
        if token.kind == .sign, let compare = Self.comparisons[token.text] {
            let sign = token.text
            advance()
            let right = try sum()
            try self.compare(left, right, compare, sign, at: place)
            if token.kind == .sign, Self.comparisons[token.text] != nil {
                throw ExpressionProblem(
                    token.offset, "compare two values at a time: write 'a < b and b < c'")
            }
            return .truth
        }
        if skipWord("in") { return try membership(left, negated: false, at: place) }
        if token.isWord("not"), tokens[index + 1].isWord("in") {
            advance()
            advance()
            return try membership(left, negated: true, at: place)
        }
        if skipWord("has") { return try has(left, at: place) }
        return left
    }

    // MARK: numbers

    private mutating func sum() throws(ExpressionProblem) -> ExpressionValue {
        var value = try product()
        while token.isSign("+") || token.isSign("-") {
            let (place, isSum) = (token.offset, token.text == "+")
            advance()
            let right = try product()
            guard let result = Self.sum(value, right, isSum: isSum) else {
                throw ExpressionProblem(
                    place,
                    "\(value.shown) and \(right.shown) cannot be \(isSum ? "added" : "subtracted")")
            }
            value = result
            try emit(isSum ? .add : .subtract, -1, at: place)
        }
        return value
    }

    /// Returns the kind of a sum or difference; `nil` when there is none.
    private static func sum(
        _ left: ExpressionValue, _ right: ExpressionValue, isSum: Bool
    ) -> ExpressionValue? {
        switch (left, right) {
        case (.number, .number): .number
        case (.duration, .duration): .duration
        case (.time, .duration): .time
        case (.duration, .time): isSum ? .time : nil
        case (.time, .time): isSum ? nil : .duration
        default: nil
        }
    }

    private mutating func product() throws(ExpressionProblem) -> ExpressionValue {
        var value = try signed()
        while token.isSign("*") || token.isSign("/") {
            let (place, isProduct) = (token.offset, token.text == "*")
            advance()
            let right = try signed()
            guard let result = Self.product(value, right, isProduct: isProduct) else {
                throw ExpressionProblem(
                    place,
                    "\(value.shown) "
                        + (isProduct
                            ? "and \(right.shown) cannot be multiplied"
                            : "cannot be divided by \(right.shown)"))
            }
            value = result
            try emit(isProduct ? .multiply : .divide, -1, at: place)
        }
        return value
    }

    /// Returns the kind of a product or quotient; `nil` when there is none.
    private static func product(
        _ left: ExpressionValue, _ right: ExpressionValue, isProduct: Bool
    ) -> ExpressionValue? {
        switch (left, right) {
        case (.number, .number): .number
        case (.duration, .number): .duration
        case (.number, .duration): isProduct ? .duration : nil
        case (.duration, .duration): isProduct ? nil : .number
        default: nil
        }
    }

    private mutating func signed() throws(ExpressionProblem) -> ExpressionValue {
        let place = token.offset
        guard skip("-") else { return try primary() }
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthMax else {
            throw ExpressionProblem(place, "signs are nested deeper than \(Self.depthMax)")
        }
        if token.kind == .number { return try literal(negative: true) }
        try emit(.number(0), 1, at: place)
        let value = try signed()
        guard value == .number || value == .duration else {
            throw ExpressionProblem(place, "\(value.shown) has no sign: '-' stands before numbers")
        }
        try emit(.subtract, -1, at: place)
        return value
    }

    private mutating func primary() throws(ExpressionProblem) -> ExpressionValue {
        let first = token
        switch first.kind {
        case .number: return try literal(negative: false)
        case .text:
            advance()
            return .literal(first.text)
        case .word: return try word()
        case .sign, .end:
            guard skip("(") else {
                throw ExpressionProblem(
                    first.offset, "a field, number or text is missing before \(first.shown)")
            }
            let value = try disjunction()
            guard skip(")") else {
                throw ExpressionProblem(token.offset, "a ')' is missing before \(token.shown)")
            }
            return value
        }
    }

    private mutating func literal(negative: Bool) throws(ExpressionProblem) -> ExpressionValue {
        let first = token
        advance()
        switch ExpressionNumber.parse(first.text) {
        case .number(let value)?:
            try emit(.number(negative ? -value : value), 1, at: first.offset)
            return .number
        case .duration(let value)?:
            try emit(.number(negative ? -value : value), 1, at: first.offset)
            return .duration
        case nil:
            throw ExpressionProblem(
                first.offset,
                "\(first.text) is no number: write at most 20 digits before and 9 behind the dot, "
                    + "and no unit or one of d, h, m, s, ms, us, ns")
        }
    }
}
