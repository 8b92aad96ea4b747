internal import Primitives

/// Lines of JSON that wait to be written to a file.
struct ExchangeLog: Sendable {
    private var writer = JSONWriter(capacity: 512)
    private var lines: [UInt8] = []
    let isWanted: Bool

    init(isWanted: Bool) { self.isWanted = isWanted }

    mutating func add(_ members: (inout JSONWriter) -> Void) {
        guard isWanted else { return }
        writer.removeAll()
        writer.object(members)
        lines += writer.bytes
        lines.append(UInt8(ascii: "\n"))
    }

    mutating func takeLines() -> [UInt8] {
        defer { lines.removeAll(keepingCapacity: true) }
        return lines
    }
}

extension JSONWriter {
    /// Writes what the logs say about a trade.
    mutating func members(of trade: ExchangeTrade, _ symbol: ExchangeSymbol) {
        member("symbol", symbol.name)
        member("id", trade.id)
        member("trade_time", trade.milliseconds)
        member("price", symbol.priceText(trade.price))
        member("quantity", symbol.quantityText(trade.quantity))
        member("is_buyer_maker", trade.isBuyerMaker)
    }
}
