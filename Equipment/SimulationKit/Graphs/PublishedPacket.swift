package import MarketModel
package import Primitives
package import StreamCore
package import TapeCodec

extension Bar {
    /// A bar of one trade. `symbol` and `series` are 0.
    package init(from open: Int64, to close: Int64, price: Int64) {
        self.init(
            symbol: 0, series: 0, openTime: Timestamp(nanoseconds: open),
            closeTime: Timestamp(nanoseconds: close))
        let price = Price(raw: price)
        (self.open, high, low, self.close) = (price, price, price, price)
        trades = 1
        flags = .final
    }
}

/// A packet of bars that a partition publishes.
package struct PublishedPacket {
    private var builder: PacketBuilder
    private let series: UInt16

    package init(partition: Int, series name: SeriesName, width: Int64) {
        builder = PacketBuilder(
            kind: .bars, partition: Partition(partition), source: .operator)
        series = builder.register(SeriesDefinition(name: name, widthNanoseconds: width))
    }

    /// Adds a bar of a symbol. Its indexes are replaced by those of the packet.
    package mutating func add(_ bar: Bar, of symbol: SourceSymbol) {
        var bar = bar
        bar.symbol = index(of: symbol)
        bar.series = series
        let isIn = builder.append(bar)
        precondition(isIn, "a packet for tests has too many bars")
    }

    /// Adds a value whose time is that of its window's end.
    package mutating func add(
        _ name: String, _ value: Int128, from open: Timestamp, to close: Timestamp,
        of symbol: SourceSymbol
    ) {
        let outcome = builder.append(
            IndicatorValue(
                header: TickHeader(
                    symbol: index(of: symbol), providerTime: close, receiveTime: close),
                name: name, value: value, periodStart: open, periodEnd: close))
        precondition(outcome == .appended, "a packet for tests has too many values")
    }

    private mutating func index(of symbol: SourceSymbol) -> UInt32 {
        builder.register(
            SymbolDefinition(
                symbol: symbol.symbol, provider: "", since: .undefined, source: symbol.source))
    }

    /// `states`: what the partition says of its sources; `nil`: no output state.
    package mutating func sealed(
        watermark: Timestamp, sent: Timestamp = Timestamp(nanoseconds: 1),
        states: [SourceState]? = nil
    ) -> SealedPacket {
        let input = TapePosition(
            streamCreated: Timestamp(nanoseconds: 1), sequence: 1,
            packet: PacketIdentity(epoch: 1, firstOrdinal: 1, checksum: 1), sources: [])
        return builder.seal(
            PacketBuilder.Seal(epoch: 1, firstOrdinal: 1, watermark: watermark, sendTime: sent),
            output: states.map {
                OutputState(input: input, checksum: 1, generation: 1, states: $0)
            })
    }

    /// Returns the marker of an epoch.
    package func marker() -> SealedPacket {
        var builder = builder
        return builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1, watermark: Timestamp(nanoseconds: Int64.min),
                sendTime: Timestamp(nanoseconds: 1)),
            marker: EpochMarker(startOrdinal: 1, previousEpoch: 0, previousSequence: 0))
    }
}
