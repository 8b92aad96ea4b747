internal import MarketModel
package import Primitives
package import TapeCodec

/// A cancel or correction of a trade by the provider's id, with its place on the tape: a row of
/// `changes_by_id`, which is stored beside its row of `trades`.
package struct ChangeByID: Sendable {
    /// The ordinal of the record.
    package let ordinal: UInt64
    private let trade: Trade
    private let symbol: Symbol
    /// Whose trade a person's record is about; `nil`: those of all sources.
    private let named: SourceName?
    private let source: SourceName
    private let partition: Partition
    private let epoch: UInt64
    private let streamCreated: Timestamp
    private let sequence: UInt64

    /// Returns `nil` for any other record. The stream and the sequence are those of the packet.
    package init?(
        _ record: Record, _ context: borrowing PacketContext, ordinal: UInt64,
        streamCreated: Timestamp, sequence: UInt64
    ) {
        guard case .trade(let trade) = record, trade.header.providerID != 0,
            [TradeAction.correction.rawValue, TradeAction.cancel.rawValue]
                .contains(trade.header.action),
            let definition = context.symbol(trade.header.symbol)
        else { return nil }
        self.trade = trade
        self.ordinal = ordinal
        self.streamCreated = streamCreated
        self.sequence = sequence
        symbol = definition.symbol
        source = context.header.source
        named = source == .manual ? definition.source : nil
        partition = context.header.partition
        epoch = context.header.epoch
    }

    /// Writes the change in the form that `note_changes_by_id` takes.
    package func write(into json: inout JSONWriter) {
        json.object { json in
            json.member("symbol", symbol.text)
            json.member("provider_id", trade.header.providerID)
            json.member("action", trade.header.action)
            if trade.price.isDefined {
                json.member("price", decimal: trade.price.raw, decimals: Price.decimals)
            }
            if trade.size.isDefined {
                json.member("size", decimal: trade.size.raw, decimals: Quantity.decimals)
            }
            json.member("exchange", trade.exchange.text)
            json.member("conditions", trade.conditions.text)
            json.member("source", source.text)
            json.member("of_source", named?.text ?? "")
            json.member("partition", partition.number)
            json.member("epoch", Int64(bitPattern: epoch))
            json.member("ordinal", Int64(bitPattern: ordinal))
            json.member("stream_created_ns", streamCreated.nanoseconds)
            json.member("sequence", sequence)
            json.member("received_ns", trade.header.receiveTime.storable.nanoseconds)
        }
    }
}
