internal import MarketModel
internal import Primitives
internal import StreamCore

// How names, texts and symbols are compiled.
extension ExpressionCompiler {
    private static let flags: [(name: String, flag: TickFlags)] = [
        ("snapshot", .snapshot), ("conflated", .conflated), ("backfilled", .backfilled),
        ("delayed", .delayed), ("out_of_session", .outOfSession),
    ]
    private static let flagsOfTrades: [(name: String, flag: TickFlags)] = [
        ("unreported", .unreported), ("past_limit", .pastLimit),
    ]

    private func knownFlag(_ word: ExpressionToken) throws(ExpressionProblem) -> TickFlags? {
        if isScan { return nil }
        if let ofBoth = Self.flags.first(where: { $0.name == word.text }) { return ofBoth.flag }
        guard let flag = Self.flagsOfTrades.first(where: { $0.name == word.text })?.flag else {
            return nil
        }
        guard kind == .trade else { throw ofOthers(word, .trade) }
        return flag
    }

    private func ofOthers(_ word: ExpressionToken, _ owner: DataKind) -> ExpressionProblem {
        let isForJoin = kind == .trade && owner == .quote
        return ExpressionProblem(
            word.offset,
            "\(word.text) is a field of \(owner.shown), and these are \(kind.shown)"
                + (isForJoin ? ": pair them by a join" : ""))
    }

    private func allows(_ field: TickField) -> Bool {
        if isScan { return ScanRule.fields.contains(field) }
        return field.isOf(kind) || isJoined && field.isOfQuotes
    }

    /// Negates a comparison of a text. It is false, too, if the trade did not get the text from a
    /// quote.
    private mutating func negate(_ field: TickField, at place: Int) throws(ExpressionProblem) {
        try emit(.not, 0, at: place)
        try requirePair(field, at: place)
    }

    /// Makes a comparison of a quote's text false for a trade that got none.
    private mutating func requirePair(
        _ field: TickField, at place: Int
    ) throws(ExpressionProblem) {
        guard isJoined, !field.isOfTrades else { return }
        try emit(.isPaired, 1, at: place)
        try emit(.and, -1, at: place)
    }

    mutating func word() throws(ExpressionProblem) -> ExpressionValue {
        let first = token
        advance()
        if let inputs { return try input(first, of: inputs) }
        if first.text == "symbol" { return .symbol }
        if let flag = try knownFlag(first) {
            try emit(.hasFlag(flag), 1, at: first.offset)
            return .truth
        }
        if isJoined, first.text == "paired" {
            try emit(.isPaired, 1, at: first.offset)
            return .truth
        }
        guard let field = TickField(rawValue: first.text), !isScan || allows(field) else {
            throw unknown(first)
        }
        guard allows(field) else {
            throw ofOthers(first, DataKind.inputs.first { field.isOf($0.kind) }?.kind ?? .trade)
        }
        if field.isText { return .text(field) }
        try emit(.field(field), 1, at: first.offset)
        if field == .length { return .duration }
        return [.time, .receiveTime, .start].contains(field) ? .time : .number
    }

    private mutating func input(
        _ word: ExpressionToken, of inputs: [TickExpression.NamedInput]
    ) throws(ExpressionProblem) -> ExpressionValue {
        guard let found = inputs.first(where: { $0.name == word.text }) else {
            let advice =
                NearestName.of(word.text, in: inputs.map(\.name)).map { "did you mean \($0)?" }
                ?? "write a name of inputs, as in a.close"
            throw ExpressionProblem(word.offset, "\(word.shown) is no input: \(advice)")
        }
        let place = used.firstIndex { $0.name == found.name } ?? used.count
        if place == used.count { used.append(found) }
        try emit(.input(place), 1, at: word.offset)
        return .number
    }

    private func unknown(_ word: ExpressionToken) -> ExpressionProblem {
        let flags =
            isScan ? [] : kind == .trade ? Self.flags + Self.flagsOfTrades : Self.flags
        let known =
            TickField.allCases.filter(allows).map(\.rawValue) + flags.map(\.name)
            + (isJoined ? ["paired", "symbol"] : ["symbol"])
        let advice =
            NearestName.of(word.text, in: known).map { "did you mean \($0)?" }
            ?? "there are \(known.joined(separator: ", "))"
        return ExpressionProblem(word.offset, "\(word.shown) is no field or flag: \(advice)")
    }

    mutating func compare(
        _ left: ExpressionValue, _ right: ExpressionValue,
        _ instruction: TickExpression.Instruction, _ sign: String, at place: Int
    ) throws(ExpressionProblem) {
        switch (left, right) {
        case (.number, .number), (.time, .time), (.duration, .duration):
            try emit(instruction, -1, at: place)
        case (.text(let field), .literal(let text)), (.literal(let text), .text(let field)):
            try checkEquality(sign, left, place)
            try emit(.textIs(field, try short(text, place)), 1, at: place)
            if sign == "!=" {
                try negate(field, at: place)
            } else if text.isEmpty {
                try requirePair(field, at: place)
            }
        case (.symbol, .literal(let text)), (.literal(let text), .symbol):
            try checkEquality(sign, left, place)
            try emitSymbols([try symbol(text, place)], at: place)
            if sign == "!=" { try emit(.not, 0, at: place) }
        default:
            throw ExpressionProblem(
                place, "\(left.shown) cannot be compared with \(right.shown)\(advice(left, right))")
        }
    }

    private func advice(_ left: ExpressionValue, _ right: ExpressionValue) -> String {
        if left == .duration || right == .duration { return ": write durations with a unit, as 2s" }
        if left == .symbol || right == .symbol { return ": put the symbol between quotes" }
        return ""
    }

    private func checkEquality(
        _ sign: String, _ value: ExpressionValue, _ place: Int
    ) throws(ExpressionProblem) {
        guard sign == "==" || sign == "!=" else {
            throw ExpressionProblem(place, "texts are compared by == and != alone")
        }
    }

    mutating func has(
        _ value: ExpressionValue, at place: Int
    ) throws(ExpressionProblem) -> ExpressionValue {
        let code = token
        guard case .text(let field) = value else {
            throw ExpressionProblem(
                place, "'has' asks for a character of a text field, and this is \(value.shown)")
        }
        guard code.kind == .text, code.text.utf8.count == 1, let byte = code.text.utf8.first,
            (0x20...0x7e).contains(byte)
        else {
            throw ExpressionProblem(
                code.offset, "'has' is followed by one character between quotes: has \"T\"")
        }
        advance()
        try emit(.textHas(field, byte), 1, at: place)
        return .truth
    }

    mutating func membership(
        _ value: ExpressionValue, negated: Bool, at place: Int
    ) throws(ExpressionProblem) -> ExpressionValue {
        let items = try list()
        switch value {
        case .symbol:
            var symbols: [Symbol] = []
            for item in items { symbols.append(try symbol(item.text, item.offset)) }
            try emitSymbols(symbols, at: place)
        case .text(let field):
            for (index, item) in items.enumerated() {
                try emit(.textIs(field, try short(item.text, item.offset)), 1, at: item.offset)
                if index > 0 { try emit(.or, -1, at: item.offset) }
            }
            if negated {
                try negate(field, at: place)
            } else if items.contains(where: \.text.isEmpty) {
                try requirePair(field, at: place)
            }
            return .truth
        case .truth, .number, .time, .duration, .literal:
            throw ExpressionProblem(
                place, "'in' looks for symbols and texts, and this is \(value.shown)")
        }
        if negated { try emit(.not, 0, at: place) }
        return .truth
    }

    /// Reads a list such as `[SPY, "BRK B"]`.
    private mutating func list() throws(ExpressionProblem) -> [ExpressionToken] {
        guard skip("[") else {
            throw ExpressionProblem(token.offset, "'in' is followed by a list: in [SPY, QQQ]")
        }
        var items: [ExpressionToken] = []
        repeat {
            guard token.kind == .word || token.kind == .text else {
                throw ExpressionProblem(
                    token.offset,
                    "\(token.shown) is no item of a list: put it between quotes")
            }
            items.append(token)
            advance()
        } while skip(",")
        guard skip("]") else {
            throw ExpressionProblem(token.offset, "a ',' or ']' is missing before \(token.shown)")
        }
        return items
    }

    private func short(_ text: String, _ place: Int) throws(ExpressionProblem) -> ShortText {
        guard let short = ShortText(text) else {
            throw ExpressionProblem(
                place,
                "\"\(text)\" is longer than \(ShortText.utf8CountMax) ASCII characters, "
                    + "so no tick can have it")
        }
        return short
    }

    private func symbol(_ text: String, _ place: Int) throws(ExpressionProblem) -> Symbol {
        guard let symbol = Symbol(text) else {
            throw ExpressionProblem(place, "\"\(text)\" is no symbol")
        }
        return symbol
    }

    private mutating func emitSymbols(
        _ symbols: [Symbol], at place: Int
    ) throws(ExpressionProblem) {
        let count = symbolLists.reduce(symbols.count) { $0 + $1.count }
        guard count <= TickExpression.symbolsMax else {
            throw ExpressionProblem(
                place, "more than \(TickExpression.symbolsMax) symbols are listed")
        }
        symbolLists.append(symbols)
        try emit(.symbolIsIn(symbolLists.count - 1), 1, at: place)
    }
}
