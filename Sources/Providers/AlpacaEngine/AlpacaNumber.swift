internal import EngineKit

/// The number on the tape of a trade of Alpaca: one trade's, also where its id is not.
package enum AlpacaNumber {
    /// Trades off the exchanges. Several facilities report them, each with ids of its own.
    private static let outside = UInt8(ascii: "D")
    private static let contentBits: UInt64 = 16

    /// `content`: what it is, as `TradeNumber.content` has it; 0: that is not known.
    package static func number(
        exchange: UInt8, day: Int64, id: UInt64, content: UInt32
    ) -> UInt64 {
        TradeNumber.number(
            exchange: exchange, day: day,
            id: exchange == outside
                ? TradeNumber.id(id, mark: UInt64(content), bits: contentBits) : id)
    }
}
