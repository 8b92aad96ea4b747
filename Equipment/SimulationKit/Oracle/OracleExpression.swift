internal import MarketModel
internal import Primitives
internal import StreamCore

/// Conditions on ticks, computed with optionals.
struct OracleExpression {
    static func value(of field: TickField, _ tick: LoggedTick) -> Int128? {
        switch field {
        case .price: tick.trade.flatMap { $0.price.isDefined ? Int128($0.price.raw) : nil }
        case .size: size(tick.trade?.size)
        case .bid: price(tick.quote?.bidPrice) ?? tick.book?.bids.first?.price
        case .ask: price(tick.quote?.askPrice) ?? tick.book?.asks.first?.price
        case .bidSize: size(tick.quote?.bidSize) ?? tick.book?.bids.first?.size.map { $0 * 10 }
        case .askSize: size(tick.quote?.askSize) ?? tick.book?.asks.first?.size.map { $0 * 10 }
        case .middle: tick.book?.middle
        case .microprice: tick.book?.microprice
        case .imbalance: tick.book?.imbalance
        case .exchange: tick.trade.map { Int128($0.exchange.raw) }
        case .conditions: tick.trade.map { Int128($0.conditions.raw) }
        case .bidExchange: tick.quote.map { Int128($0.bidExchange.raw) }
        case .askExchange: tick.quote.map { Int128($0.askExchange.raw) }
        case .id: Int128(tick.header.providerID) * 1_000_000_000
        case .time: tick.header.eventTime.isDefined ? Int128(tick.time) : nil
        case .receiveTime:
            tick.header.receiveTime.isDefined ? Int128(tick.header.receiveTime.nanoseconds) : nil
        case .start: tick.providerBar.map { Int128($0.openTime.nanoseconds) }
        case .length:
            tick.providerBar.map {
                Int128($0.closeTime.nanoseconds) - Int128($0.openTime.nanoseconds)
            }
        case .open: price(tick.providerBar?.open)
        case .high: price(tick.providerBar?.high)
        case .low: price(tick.providerBar?.low)
        case .close: price(tick.providerBar?.close)
        case .vwap: price(tick.providerBar?.vwap)
        case .volume:
            tick.providerBar.flatMap {
                $0.volume == ProviderBar.undefinedVolume ? nil : $0.volume * 10
            }
        case .count:
            tick.providerBar.flatMap {
                $0.trades == ProviderBar.undefinedCount ? nil : Int128($0.trades) * 1_000_000_000
            }
        }
    }

    private static func price(_ price: Price?) -> Int128? {
        price.flatMap { $0.isDefined ? Int128($0.raw) : nil }
    }

    private static func size(_ size: Quantity?) -> Int128? {
        size.flatMap { $0.isDefined ? Int128($0.raw) * 10 : nil }
    }

    /// A trade behind a join has the quote that it got.
    static func isMet(_ expression: TickExpression, _ tick: LoggedTick) -> Bool {
        var numbers: [Int128?] = []
        var truths: [Bool] = []
        for instruction in expression.instructions {
            switch instruction {
            case .number(let number): numbers.append(number)
            case .field(let field): numbers.append(value(of: field, tick))
            // A tick is no input of a number of several symbols.
            case .input: numbers.append(nil)
            case .add, .subtract, .multiply, .divide: calculate(instruction, &numbers)
            case .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater:
                truths.append(compare(instruction, &numbers))
            case .textIs(let field, let text):
                truths.append(value(of: field, tick) == Int128(text.raw))
            case .textHas(let field, let code):
                let text = value(of: field, tick).map { ShortText(raw: UInt64($0)).text } ?? ""
                truths.append(text.utf8.contains(code))
            case .isPaired: truths.append(tick.quote != nil)
            case .hasFlag(let flags): truths.append(tick.header.flags.contains(flags))
            case .symbolIsIn(let list):
                truths.append(expression.symbolLists[list].contains(tick.symbol.symbol))
            case .and, .or, .not: combine(instruction, &truths)
            }
        }
        return truths.last ?? false
    }

    private static func calculate(
        _ instruction: TickExpression.Instruction, _ numbers: inout [Int128?]
    ) {
        guard let right = numbers.popLast(), let left = numbers.popLast() else { return }
        guard let left, let right else {
            numbers.append(nil)
            return
        }
        switch instruction {
        case .add: numbers.append(left + right)
        case .subtract: numbers.append(left - right)
        case .divide: numbers.append(quotient(left, right))
        default: numbers.append(left * right / 1_000_000_000)
        }
    }

    /// Returns the quotient in 1e-9, rounded half away from zero; `nil` by zero.
    static func quotient(_ left: Int128, _ right: Int128) -> Int128? {
        guard right != 0 else { return nil }
        let (whole, rest) = (left * 1_000_000_000).quotientAndRemainder(dividingBy: right)
        guard rest.magnitude * 2 >= right.magnitude else { return whole }
        return (left < 0) == (right < 0) ? whole + 1 : whole - 1
    }

    private static func compare(
        _ instruction: TickExpression.Instruction, _ numbers: inout [Int128?]
    ) -> Bool {
        let (last, first) = (numbers.popLast() ?? nil, numbers.popLast() ?? nil)
        guard let right = last, let left = first else { return false }
        return switch instruction {
        case .less: left < right
        case .lessOrEqual: left <= right
        case .equal: left == right
        case .notEqual: left != right
        case .greaterOrEqual: left >= right
        default: left > right
        }
    }

    private static func combine(
        _ instruction: TickExpression.Instruction, _ truths: inout [Bool]
    ) {
        guard let right = truths.popLast() else { return }
        if case .not = instruction {
            truths.append(!right)
            return
        }
        guard let left = truths.popLast() else { return }
        if case .and = instruction {
            truths.append(left && right)
        } else {
            truths.append(left || right)
        }
    }
}
