public import MarketModel

/// What a graph knows of a book behind one change of it.
public struct BookTick: Hashable, Sendable, BitwiseCopyable {
    /// The change's header, and the best row of each side. Nothing is defined while the book is not
    /// known.
    public let quote: Quote
    /// The sizes of the best rows of each side together; undefined where one is.
    public let bidSizes: Quantity
    public let askSizes: Quantity

    /// A change of a book that is not known.
    public init(_ header: TickHeader) {
        quote = Quote(
            header: header, bidPrice: .undefined, bidSize: .undefined, askPrice: .undefined,
            askSize: .undefined)
        bidSizes = .undefined
        askSizes = .undefined
    }

    public init(_ header: TickHeader, _ top: BookTop) {
        quote = Quote(
            header: header, bidPrice: top.bid.price, bidSize: top.bid.size,
            askPrice: top.ask.price, askSize: top.ask.size)
        bidSizes = top.bidSizes
        askSizes = top.askSizes
    }

    public var header: TickHeader { quote.header }

    /// The book as the quote of which a machine takes a number: its best rows, or for the imbalance
    /// the sizes of several.
    @inline(__always)
    public func quote(for field: InputField) -> Quote {
        guard field == .imbalance else { return quote }
        var whole = quote
        whole.bidSize = bidSizes
        whole.askSize = askSizes
        return whole
    }
}

extension Quote {
    /// The middle of bid and ask, each weighted by the size of the other side, rounded half away
    /// from zero to 1e-9; undefined without prices, or sizes, or where both sizes are 0.
    @inline(never)
    @usableFromInline
    var microprice: Price {
        guard bidPrice.isDefined, askPrice.isDefined, hasSizes else { return .undefined }
        // Each product has at most 126 bits.
        let sum =
            Int128(bidPrice.raw) * Int128(askSize.raw)
            + Int128(askPrice.raw) * Int128(bidSize.raw)
        return Price(raw: Int64(sum.rounded(over: Int128(bidSize.raw) + Int128(askSize.raw))))
    }

    /// The bid's size less the ask's, by their sum: from -1 to 1, rounded half away from zero to
    /// 1e-9; undefined without sizes, or where both are 0.
    @inline(never)
    @usableFromInline
    var imbalance: Price {
        guard hasSizes else { return .undefined }
        let (bid, ask) = (Int128(bidSize.raw), Int128(askSize.raw))
        return Price(raw: Int64(((bid - ask) * 1_000_000_000).rounded(over: bid + ask)))
    }

    /// Whether it has two sizes to divide by. A negative one is treated as none.
    private var hasSizes: Bool {
        bidSize.isDefined && askSize.isDefined && bidSize.raw >= 0 && askSize.raw >= 0
            && bidSize.raw | askSize.raw != 0
    }
}

extension Int128 {
    /// Returns the quotient by a positive number, rounded half away from zero.
    fileprivate func rounded(over divisor: Int128) -> Int128 {
        let (quotient, rest) = magnitude.quotientAndRemainder(dividingBy: divisor.magnitude)
        let value = Int128(quotient) + (rest >= divisor.magnitude - rest ? 1 : 0)
        return self < 0 ? -value : value
    }
}
