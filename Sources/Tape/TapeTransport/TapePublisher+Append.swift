public import MarketModel
public import TapeCodec

extension TapePublisher {
    // MARK: append; false: the record has to wait for the next packet

    public func append(_ trade: Trade, lane: Int) -> Bool { lanes[lane].builder.append(trade) }
    public func append(_ quote: Quote, lane: Int) -> Bool { lanes[lane].builder.append(quote) }
    public func append(_ bar: Bar, lane: Int) -> Bool { lanes[lane].builder.append(bar) }

    /// Appends a record of any kind.
    public func append(_ record: TapeRecord, lane: Int) -> AppendOutcome {
        lanes[lane].builder.append(record)
    }
}
