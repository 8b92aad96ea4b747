internal import MarketModel
internal import Primitives

/// A change of a book, by the last of its rows.
struct BookChange: Sendable, BitwiseCopyable {
    let header: TickHeader
    /// The source that sent it.
    let source: Int
    let ordinal: UInt64
}

/// The change of a book that a packet is in the middle of.
///
/// A provider may change several rows at once, and in between the book is none that anybody saw. So
/// rows of one symbol that follow each other in a packet with the same times are one change. Rows
/// that a gateway repeats are none.
struct OpenChange: Sendable {
    private var change: BookChange?

    /// Takes the next row. Returns the change before it, which it does not continue.
    @inline(__always)
    mutating func row(_ update: DepthUpdate, _ source: Int, _ ordinal: UInt64) -> BookChange? {
        guard !update.flags.contains(.repeated) else { return end() }
        let header = update.header
        let before = change
        change = BookChange(header: header, source: source, ordinal: ordinal)
        guard let before else { return nil }
        let isContinued =
            before.header.symbol == header.symbol
            && before.header.receiveTime == header.receiveTime
            && before.header.providerTime == header.providerTime
        return isContinued ? nil : before
    }

    /// Ends the change, if there is one, and returns it.
    @inline(__always)
    mutating func end() -> BookChange? {
        let ended = change
        change = nil
        return ended
    }
}
