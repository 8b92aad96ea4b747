internal import IBProtocol
internal import MarketModel
internal import Primitives

/// A whole second, as history counts time; negative ones are before 1970.
enum WholeSecond {
    static let nanoseconds: Int64 = 1_000_000_000

    static func floor(_ time: Timestamp) -> Int64 {
        time.floored(toNanoseconds: nanoseconds).nanoseconds / nanoseconds
    }

    static func ceiling(_ time: Timestamp) -> Int64 {
        let below = floor(time)
        return start(below) < time ? below + 1 : below
    }

    static func start(_ second: Int64) -> Timestamp {
        Timestamp(nanoseconds: 0).advanced(byNanoseconds: held(second))
    }

    private static func held(_ second: Int64) -> Int64 {
        let (product, isTooLarge) = second.multipliedReportingOverflow(by: nanoseconds)
        return isTooLarge ? (second < 0 ? Int64.min : Int64.max - 1) : product
    }
}

/// What two reports of the same tick have in common: history has no numbers.
struct TickLikeness: Hashable, Sendable {
    var second: Int64
    var price: Price
    var size: Quantity
    /// Of quotes.
    var askPrice = Price.undefined
    var askSize = Quantity.undefined
    var exchange = ShortText.empty
    var conditions = ShortText.empty

    init(_ trade: Trade) {
        second = WholeSecond.floor(trade.header.eventTime)
        price = trade.price
        size = trade.size
        // Level 1 calls exchanges by letters, and by that of the trade before.
        guard !trade.header.flags.contains(.conflated) else { return }
        exchange = trade.exchange
        conditions = trade.conditions
    }

    init(_ quote: Quote) {
        second = WholeSecond.floor(quote.header.eventTime)
        price = quote.bidPrice
        size = quote.bidSize
        askPrice = quote.askPrice
        askSize = quote.askSize
    }

    /// A feed that tells neither exchange nor conditions means any.
    var isBare: Bool { exchange == .empty && conditions == .empty }

    var bare: TickLikeness {
        var likeness = self
        likeness.exchange = .empty
        likeness.conditions = .empty
        return likeness
    }
}

/// How many of each arrived: a multiset, from which what history tells of is taken away.
struct ArrivalCounts: Sendable {
    private var counts: [TickLikeness: Int] = [:]

    init() {}

    mutating func add(_ likeness: TickLikeness) { counts[likeness, default: 0] += 1 }

    mutating func add(_ likenesses: [TickLikeness]) {
        for likeness in likenesses { add(likeness) }
    }

    /// Whether such a one arrived, and was not taken before. One that arrived without exchange
    /// and conditions is taken only when none with the same is left.
    mutating func take(_ likeness: TickLikeness) -> Bool {
        takeExactly(likeness) || !likeness.isBare && takeExactly(likeness.bare)
    }

    private mutating func takeExactly(_ likeness: TickLikeness) -> Bool {
        guard let count = counts[likeness] else { return false }
        counts[likeness] = count > 1 ? count - 1 : nil
        return true
    }
}
