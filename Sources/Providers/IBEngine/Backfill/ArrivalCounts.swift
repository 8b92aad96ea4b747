internal import IBProtocol
internal import MarketModel
internal import Primitives

/// Conversions to the whole seconds in which history counts time. Negative ones are before 1970.
enum WholeSecond {
    static let nanoseconds: Int64 = 1_000_000_000

    /// Returns the second since 1970 that contains the time.
    static func floor(_ time: Timestamp) -> Int64 {
        time.floored(toNanoseconds: nanoseconds).nanoseconds / nanoseconds
    }

    /// Returns the first second that does not begin before the time.
    static func ceiling(_ time: Timestamp) -> Int64 {
        let below = floor(time)
        return start(below) < time ? below + 1 : below
    }

    /// Returns the beginning of a second.
    static func start(_ second: Int64) -> Timestamp {
        Timestamp(nanoseconds: 0).advanced(byNanoseconds: held(second))
    }

    private static func held(_ second: Int64) -> Int64 {
        let (product, isTooLarge) = second.multipliedReportingOverflow(by: nanoseconds)
        return isTooLarge ? (second < 0 ? Int64.min : Int64.max - 1) : product
    }
}

/// The content by which two reports of the same tick are recognized: history has no tick numbers.
struct TickLikeness: Hashable, Sendable {
    /// The second since 1970 of the event time.
    var second: Int64
    /// Of a trade, or the bid side of a quote.
    var price: Price
    var size: Quantity
    /// The ask side is set in quotes only.
    var askPrice = Price.undefined
    var askSize = Quantity.undefined
    var exchange = ShortText.empty
    var conditions = ShortText.empty

    init(_ trade: Trade) {
        second = WholeSecond.floor(trade.header.eventTime)
        price = trade.price
        size = trade.size
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
}

extension TickLikeness {
    /// All fields in 64 bits, equal in every process. The lowest bit is 0.
    var digest: UInt64 {
        var digest = Self.folded(
            UInt64(bitPattern: second) ^ 0x9e37_79b9_7f4a_7c15,
            UInt64(bitPattern: price.raw) ^ 0xbf58_476d_1ce4_e5b9)
        digest = Self.folded(
            digest ^ UInt64(bitPattern: size.raw) ^ 0x94d0_49bb_1331_11eb,
            UInt64(bitPattern: askPrice.raw) ^ 0xd6e8_feb8_6659_fd93)
        digest = Self.folded(
            digest ^ UInt64(bitPattern: askSize.raw) ^ 0xa076_1d64_78bd_642f,
            exchange.raw ^ 0xe703_7ed1_a0b4_28db)
        digest = Self.folded(
            digest ^ 0x8ebc_6af0_9c88_c6e3, conditions.raw ^ 0x5899_65cc_7537_4cc3)
        return digest & ~1
    }

    /// Returns a mix of both. Every bit of both affects every bit of the result.
    private static func folded(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }
}

/// The number of arrived ticks of each likeness: a multiset. Each tick that history reports is
/// taken out of it.
struct ArrivalCounts: Sendable {
    /// Counts by the digest of the likeness.
    private var counts: [UInt64: Int] = [:]

    init() {}

    mutating func add(_ tick: ArrivedTick) { counts[tick.digest, default: 0] += 1 }

    mutating func add(_ likeness: TickLikeness) { counts[likeness.digest, default: 0] += 1 }

    mutating func add(_ likenesses: [TickLikeness]) {
        for likeness in likenesses { add(likeness) }
    }

    /// Takes one such tick out, and returns whether one was left.
    mutating func take(_ likeness: TickLikeness) -> Bool {
        let digest = likeness.digest
        guard let count = counts[digest] else { return false }
        counts[digest] = count > 1 ? count - 1 : nil
        return true
    }
}
