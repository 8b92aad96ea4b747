public import MarketModel
internal import Primitives

/// A `TickExpression` made ready to run: it decides for filters and routes which ticks meet the
/// condition, without allocating.
///
/// A value that one thread owns. Its only state is which symbols its lists hold, by their indexes
/// in the tables of the partition. `define` has to be called for every symbol.
public struct ExpressionEvaluator: Sendable {
    public let expression: TickExpression
    private let instructions: [TickExpression.Instruction]
    /// By symbol list of the expression, one bit per symbol of the partition.
    private var members: [[UInt64]]

    /// No tick meets an expression whose instructions do not fit together.
    public init(_ expression: TickExpression) {
        self.expression = expression
        instructions = expression.isWellFormed ? expression.instructions : []
        members = [[UInt64]](repeating: [], count: expression.symbolLists.count)
    }

    /// Notes a symbol and its index in the tables. Called when the symbol first appears, and for
    /// all symbols when a machine is restored.
    public mutating func define(_ index: UInt32, _ symbol: Symbol) {
        guard index < StreamLimits.symbolsMax else { return }
        for list in members.indices where expression.symbolLists[list].contains(symbol) {
            let word = Int(index >> 6)
            while members[list].count <= word { members[list].append(0) }
            members[list][word] |= 1 << UInt64(index & 63)
        }
    }

    /// Returns whether a trade meets the condition. A comparison with an undefined number is false.
    public func isMet(by trade: Trade) -> Bool {
        run(
            trade.header, number: { $0.number(of: trade) },
            text: { ShortText(raw: $0.isOfTrades ? $0.bits(of: trade) : 0) }
        ) == 1
    }

    /// Returns the same for a trade behind a join, with what it got from a quote.
    public func isMet(by trade: Trade, with quote: PairedQuote) -> Bool {
        run(
            trade.header, isPaired: quote.isThere, number: { $0.number(of: trade, quote) },
            text: { ShortText(raw: $0.bits(of: trade, quote)) }
        ) == 1
    }

    /// Returns the same for a quote.
    public func isMet(by quote: Quote) -> Bool {
        run(
            quote.header, number: { $0.number(of: quote) },
            text: { ShortText(raw: $0.isOfQuotes ? $0.bits(of: quote) : 0) }
        ) == 1
    }

    /// Returns the same for a book, which has no texts.
    public func isMet(by book: BookTick) -> Bool {
        run(book.header, number: { $0.number(of: book) }, text: { _ in ShortText(raw: 0) }) == 1
    }

    /// Returns the same for a provider's bar, which has no texts.
    public func isMet(by bar: ProviderBar) -> Bool {
        run(bar.header, number: { $0.number(of: bar) }, text: { _ in ShortText(raw: 0) }) == 1
    }

    /// Returns the same for a bar of the graph, which has the numbers of a scan.
    func isMet(by bar: Bar) -> Bool {
        let numbers = ScanNumbers(bar)
        let header = TickHeader(
            symbol: bar.symbol, providerTime: bar.closeTime, receiveTime: bar.closeTime)
        return run(
            header,
            number: { ExpressionStack.number(numbers.number($0)) },
            text: { _ in ShortText(raw: 0) }
        ) == 1
    }

    /// Returns the number of an expression over inputs in 1e-9, or `IndicatorValue.undefined`,
    /// which an input may be, too.
    func number(of input: (Int) -> Int128) -> Int128 {
        let header = TickHeader(
            symbol: TickHeader.noSymbol, providerTime: .undefined, receiveTime: .undefined)
        let number = run(
            header, number: { _ in ExpressionStack.undefined }, text: { _ in ShortText(raw: 0) },
            input: { ExpressionStack.number(input($0)) }
        )
        return number == ExpressionStack.undefined ? IndicatorValue.undefined : number
    }

    @inline(__always)
    private func run(
        _ header: TickHeader, isPaired: Bool = false, number: (TickField) -> Int128,
        text: (TickField) -> ShortText,
        input: (Int) -> Int128 = { _ in ExpressionStack.undefined }
    ) -> Int128 {
        var stack = ExpressionStack()
        for instruction in instructions {
            switch instruction {
            case .number(let value): stack.push(value)
            case .field(let field): stack.push(number(field))
            case .input(let place): stack.push(input(place))
            case .add: stack.combine { $0.addingReportingOverflow($1) }
            case .subtract: stack.combine { $0.subtractingReportingOverflow($1) }
            case .multiply:
                stack.combine {
                    let (product, overflow) = $0.multipliedReportingOverflow(by: $1)
                    // Both factors are in 1e-9, and so is the product.
                    return (product / 1_000_000_000, overflow)
                }
            case .divide: stack.combine { $0.dividedInBillionths(by: $1) }
            case .less: stack.compare { $0 < $1 }
            case .lessOrEqual: stack.compare { $0 <= $1 }
            case .equal: stack.compare { $0 == $1 }
            case .notEqual: stack.compare { $0 != $1 }
            case .greaterOrEqual: stack.compare { $0 >= $1 }
            case .greater: stack.compare { $0 > $1 }
            case .textIs(let field, let wanted): stack.push(text(field) == wanted)
            case .textHas(let field, let code): stack.push(text(field).has(code))
            case .hasFlag(let flags): stack.push(header.flags.contains(flags))
            case .isPaired: stack.push(isPaired)
            case .symbolIsIn(let list): stack.push(isIn(list, header.symbol))
            case .and: stack.combineTruths { $0 & $1 }
            case .or: stack.combineTruths { $0 | $1 }
            case .not: stack.turnTruth()
            }
        }
        return stack.top
    }

    /// Returns whether a list holds the symbol.
    @inline(__always)
    private func isIn(_ list: Int, _ symbol: UInt32) -> Bool {
        let word = Int(symbol >> 6)
        guard list < members.count, word < members[list].count else { return false }
        return members[list][word] & (1 << UInt64(symbol & 63)) != 0
    }
}

extension TickExpression {
    /// Whether every instruction finds its operands on the stack, the stack never exceeds its
    /// limit, and one truth value is left.
    var isWellFormed: Bool {
        guard instructions.count <= Self.instructionsMax else { return false }
        var depth = 0
        for instruction in instructions {
            let needs = instruction.takes
            guard depth >= needs else { return false }
            depth += 1 - needs
            guard depth <= Self.stackMax else { return false }
        }
        return depth == 1
    }
}

extension TickExpression.Instruction {
    /// The number of values that it takes from the stack. It puts one value there.
    fileprivate var takes: Int {
        switch self {
        case .number, .field, .input, .textIs, .textHas, .hasFlag, .isPaired, .symbolIsIn: 0
        case .not: 1
        default: 2
        }
    }
}

/// The stack of an evaluation: numbers in 1e-9, and truth values as 0 and 1. The least number
/// stands for an undefined value; no other value equals it.
private struct ExpressionStack {
    static let undefined = Int128.min
    /// As many as `TickExpression.stackMax`.
    private var values = InlineArray<32, Int128>(repeating: 0)
    private var depth = 0

    /// The top value, 1 for a truth; undefined when there is none.
    @inline(__always)
    var top: Int128 { depth > 0 ? values[depth - 1] : Self.undefined }

    /// Returns a number of which `IndicatorValue.undefined` means that there is none.
    @inline(__always)
    static func number(_ value: Int128) -> Int128 {
        value == IndicatorValue.undefined ? undefined : value
    }

    @inline(__always)
    mutating func push(_ value: Int128) {
        values[depth] = value
        depth += 1
    }

    @inline(__always)
    mutating func push(_ truth: Bool) { push(truth ? 1 : 0) }

    /// Replaces the two top numbers by the result; undefined if one of them is, or on overflow.
    @inline(__always)
    mutating func combine(_ operation: (Int128, Int128) -> (Int128, Bool)) {
        let right = values[depth - 1]
        let left = values[depth - 2]
        depth -= 1
        var value = Self.undefined
        if left != Self.undefined, right != Self.undefined {
            let (result, overflow) = operation(left, right)
            if !overflow { value = result }
        }
        values[depth - 1] = value
    }

    /// Replaces the two top numbers by a truth; false if one of them is undefined.
    @inline(__always)
    mutating func compare(_ operation: (Int128, Int128) -> Bool) {
        let right = values[depth - 1]
        let left = values[depth - 2]
        depth -= 1
        let isDefined = left != Self.undefined && right != Self.undefined
        values[depth - 1] = isDefined && operation(left, right) ? 1 : 0
    }

    @inline(__always)
    mutating func combineTruths(_ operation: (Int128, Int128) -> Int128) {
        values[depth - 2] = operation(values[depth - 2], values[depth - 1])
        depth -= 1
    }

    @inline(__always)
    mutating func turnTruth() { values[depth - 1] = 1 - values[depth - 1] }
}

extension ShortText {
    /// Returns whether one of the characters is the ASCII character `code`.
    @inline(__always)
    fileprivate func has(_ code: UInt8) -> Bool {
        var rest = raw
        while rest != 0 {
            if UInt8(truncatingIfNeeded: rest) == code { return true }
            rest >>= 8
        }
        return false
    }
}

extension TickField {
    /// Returns the field's number in 1e-9, as `TickExpression` states.
    fileprivate func number(of trade: Trade) -> Int128 {
        switch self {
        case .price: trade.price.number
        case .size: trade.size.number
        default: number(of: trade.header)
        }
    }

    /// Returns the number of a trade that got its other fields from a quote.
    fileprivate func number(of trade: Trade, _ quote: PairedQuote) -> Int128 {
        if self == .bid { return quote.bid.number }
        if self == .ask { return quote.ask.number }
        if self == .bidSize { return quote.bidSize.number }
        if self == .askSize { return quote.askSize.number }
        return number(of: trade)
    }

    /// Returns the bits of a text of a trade that got its other fields from a quote.
    fileprivate func bits(of trade: Trade, _ quote: PairedQuote) -> UInt64 {
        if self == .bidExchange { return quote.bidExchange.raw }
        if self == .askExchange { return quote.askExchange.raw }
        return isOfTrades ? bits(of: trade) : 0
    }

    fileprivate func number(of quote: Quote) -> Int128 {
        switch self {
        case .bid: quote.bidPrice.number
        case .ask: quote.askPrice.number
        case .bidSize: quote.bidSize.number
        case .askSize: quote.askSize.number
        default: number(of: quote.header)
        }
    }

    fileprivate func number(of book: BookTick) -> Int128 {
        if self == .middle { return book.quote.price(of: .bookMiddle).number }
        if self == .microprice { return book.quote.price(of: .microprice).number }
        if self == .imbalance { return book.quote(for: .imbalance).price(of: .imbalance).number }
        return number(of: book.quote)
    }

    fileprivate func number(of bar: ProviderBar) -> Int128 {
        switch self {
        case .start: bar.openTime.number
        case .length:
            bar.openTime.isDefined && bar.closeTime.isDefined
                ? Int128(bar.closeTime.nanoseconds) - Int128(bar.openTime.nanoseconds)
                : ExpressionStack.undefined
        case .open: bar.open.number
        case .high: bar.high.number
        case .low: bar.low.number
        case .close: bar.close.number
        case .volume:
            bar.volume == ProviderBar.undefinedVolume
                ? ExpressionStack.undefined : bar.volume.inBillionths
        case .vwap: bar.vwap.number
        case .count:
            bar.trades == ProviderBar.undefinedCount
                ? ExpressionStack.undefined : Int128(bar.trades) * 1_000_000_000
        case .id, .time, .receiveTime: number(of: bar.header)
        case .price, .size, .exchange, .conditions, .bid, .ask, .bidSize, .askSize, .bidExchange,
            .askExchange, .middle, .microprice, .imbalance:
            ExpressionStack.undefined
        }
    }

    private func number(of header: TickHeader) -> Int128 {
        switch self {
        case .id: Int128(header.providerID) * 1_000_000_000
        case .time: header.eventTime.number
        case .receiveTime: header.receiveTime.number
        default: ExpressionStack.undefined
        }
    }
}

extension Int128 {
    /// Returns the quotient of two numbers in 1e-9, or of two durations, in 1e-9, rounded half away
    /// from zero. True as the second value means that there is none: the divisor is zero, or the
    /// quotient leaves 128 bits.
    fileprivate func dividedInBillionths(by divisor: Int128) -> (Int128, Bool) {
        guard divisor != 0 else { return (0, true) }
        // The product may need more than 128 bits where the quotient does not.
        let (high, low) = magnitude.multipliedFullWidth(by: 1_000_000_000)
        guard high < divisor.magnitude else { return (0, true) }
        let (quotient, rest) = divisor.magnitude.dividingFullWidth((high, low))
        guard quotient < Int128.max.magnitude else { return (0, true) }
        let value = Int128(quotient) + (rest >= divisor.magnitude - rest ? 1 : 0)
        return ((self < 0) == (divisor < 0) ? value : -value, false)
    }

    /// An amount in 1e-8 as a number in 1e-9; undefined beyond the range.
    fileprivate var inBillionths: Int128 {
        let (number, overflow) = multipliedReportingOverflow(by: 10)
        return overflow ? ExpressionStack.undefined : number
    }
}

extension Price {
    fileprivate var number: Int128 { isDefined ? Int128(raw) : ExpressionStack.undefined }
}

extension Quantity {
    fileprivate var number: Int128 { isDefined ? Int128(raw) * 10 : ExpressionStack.undefined }
}

extension Timestamp {
    fileprivate var number: Int128 {
        isDefined ? Int128(nanoseconds) : ExpressionStack.undefined
    }
}
