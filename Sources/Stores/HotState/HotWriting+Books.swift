internal import MarketModel
internal import Primitives
internal import ValkeyClient

// What a key of a book says.
extension ValkeyCommands {
    mutating func append(fieldsOf value: HotValues<HotBookHead>.Value, _ book: HotBook) {
        let (bids, asks) = (rows(book.bids), rows(book.asks))
        append { $0.append(contentsOf: book.state.letters.utf8) }
        append {
            if book.state != .complete { $0.append(contentsOf: book.reason.letters.utf8) }
        }
        append { $0.append(book.bids, rows: bids) }
        append { $0.append(book.asks, rows: asks) }
        append(Int64(bids))
        append(Int64(asks))
        append { $0.append(UInt8(ascii: book.isCrossed ? "1" : "0")) }
        append { if book.since.isDefined { $0.append(digitsOf: book.since.nanoseconds) } }
        append { $0.append(digitsOf: value.record.ordinal) }
        append { $0.append(digitsOf: value.record.changedAt.nanoseconds) }
        append { $0.append(digitsOf: value.receiveTime.nanoseconds) }
        let isDelayed = value.origin.source.isDelayed || value.record.flags.contains(.delayed)
        append { $0.append(UInt8(ascii: isDelayed ? "1" : "0")) }
        append { $0.append(value.origin.source) }
    }

    private func rows(_ side: BookRows) -> Int {
        min(side.shown, HotBook.rowsShownMax)
    }
}

extension [UInt8] {
    /// Appends the best rows as JSON: `[["101.25","300"],["101.24","500","NSDQ"]]`.
    fileprivate mutating func append(_ side: BookRows, rows: Int) {
        append(UInt8(ascii: "["))
        for position in 0..<rows {
            if position > 0 { append(UInt8(ascii: ",")) }
            append(side.row(position))
        }
        append(UInt8(ascii: "]"))
    }

    private mutating func append(_ row: BookRow) {
        append(UInt8(ascii: "["))
        append(UInt8(ascii: "\""))
        if row.price.isDefined { append(decimal: row.price.raw, decimals: Price.decimals) }
        append(contentsOf: "\",\"".utf8)
        if row.size.isDefined { append(decimal: row.size.raw, decimals: Quantity.decimals) }
        append(UInt8(ascii: "\""))
        if row.marketMaker != .none {
            append(contentsOf: ",\"".utf8)
            append(json: row.marketMaker.first)
            append(json: row.marketMaker.second)
            append(UInt8(ascii: "\""))
        }
        append(UInt8(ascii: "]"))
    }

    /// Appends the characters of a JSON text. Those that it would have to escape become `?`, as do
    /// bytes that are not printable.
    private mutating func append(json text: ShortText) {
        var rest = text.raw
        while rest != 0 {
            let byte = UInt8(truncatingIfNeeded: rest)
            let isPlain =
                (0x20...0x7e).contains(byte) && byte != UInt8(ascii: "\"")
                && byte != UInt8(ascii: "\\")
            append(isPlain ? byte : UInt8(ascii: "?"))
            rest >>= 8
        }
    }
}

extension HotBook.State {
    fileprivate var letters: String {
        switch self {
        case .complete: "complete"
        case .partial: "partial"
        case .unknown: "unknown"
        }
    }
}

extension HotBook.Reason {
    fileprivate var letters: String {
        switch self {
        case .start: "start"
        case .unknownReset, .reset: "reset"
        case .halted: "halted"
        case .disconnected: "disconnected"
        case .gap: "gap"
        case .stopped: "stopped"
        case .lost: "lost"
        case .damaged: "damaged"
        }
    }
}
