package import MarketModel
package import Primitives
package import TapeCodec

/// The newest values of some names of one partition, as they were read from the database, in the
/// form of a packet.
///
/// `order` is the database's position in the stream, read together with the values. What a packet
/// up to it holds is not newer than these values, and what a later one holds is.
package struct HotFill: Sendable {
    let packet: SealedPacket
    let order: HotOrder
    /// When the database was read, by both clocks.
    let readAt: Timestamp
    let receivedAt: MonotonicTime
    /// Where its records were on the tape, in their order.
    var places: [HotFillPlace] = []
}

/// Where a record that was read from the database was on the tape.
package struct HotFillPlace: Hashable, Sendable {
    /// The source of its packet.
    package var lane: SourceName
    /// Its ordinal in that lane; 0 when unknown.
    package var ordinal: UInt64

    package init(lane: SourceName, ordinal: UInt64) {
        self.lane = lane
        self.ordinal = ordinal
    }
}

/// Makes packets of values that were read from the database.
package struct HotFillBuilder {
    private var builder: PacketBuilder
    private let order: HotOrder
    private let readAt: Timestamp
    private let receivedAt: MonotonicTime
    private var fills: [HotFill] = []
    private var series: [SeriesName: UInt16] = [:]
    private var places: [HotFillPlace] = []

    /// `order` is the database's position for `partition`, and both times are those of the reading.
    package init(
        _ kind: PacketKind, _ partition: Partition, _ order: HotOrder, readAt: Timestamp,
        receivedAt: MonotonicTime
    ) {
        builder = PacketBuilder(kind: kind, partition: partition, source: .operator)
        self.order = order
        self.readAt = readAt
        self.receivedAt = receivedAt
    }

    /// Adds a value that was at `place` on the tape, if that is known. Its record's index of a
    /// symbol, and of a series, is replaced.
    package mutating func add(
        _ value: HotFillValue, symbol: Symbol, source: SourceName, at place: HotFillPlace? = nil
    ) {
        let place = place ?? HotFillPlace(lane: source, ordinal: 0)
        let number = builder.register(
            SymbolDefinition(symbol: symbol, provider: "", since: .undefined, source: source))
        if !append(value, of: number) {
            seal()
            let isIn = append(value, of: number)
            precondition(isIn, "an empty packet has room for a value")
        }
        places.append(place)
    }

    /// Returns all values that were added.
    package mutating func finish() -> [HotFill] {
        if builder.tickCount > 0 { seal() }
        defer { fills.removeAll() }
        return fills
    }

    private mutating func append(_ value: HotFillValue, of symbol: UInt32) -> Bool {
        switch value {
        case .trade(var trade):
            trade.header.symbol = symbol
            return builder.append(trade)
        case .quote(var quote):
            quote.header.symbol = symbol
            return builder.append(quote)
        case .bar(var bar, let series):
            bar.symbol = symbol
            bar.series = number(of: series)
            return builder.append(bar)
        case .providerBar(var bar):
            bar.header.symbol = symbol
            return builder.append(bar)
        case .depth(var header):
            header.symbol = symbol
            // Of the change only the header and the ordinal are used.
            return builder.append(DepthReset(header: header, reason: .unknown))
        }
    }

    private mutating func number(of name: SeriesName) -> UInt16 {
        if let number = series[name] { return number }
        let number = builder.register(SeriesDefinition(name: name, widthNanoseconds: 0))
        series[name] = number
        return number
    }

    private mutating func seal() {
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1, watermark: .undefined, sendTime: readAt))
        fills.append(
            HotFill(
                packet: packet, order: order, readAt: readAt, receivedAt: receivedAt,
                places: places))
        places = []
    }
}

/// A row of the database as a record.
package enum HotFillValue: Sendable {
    case trade(Trade)
    case quote(Quote)
    case bar(Bar, series: SeriesName)
    case providerBar(ProviderBar)
    /// The header of the last change of a book. The rows are not read.
    case depth(TickHeader)

    /// The time at which its key's life began; undefined when unknown.
    package var time: Timestamp {
        switch self {
        case .trade(let trade): trade.header.receiveTime
        case .quote(let quote): quote.header.receiveTime
        case .bar(let bar, _): bar.closeTime
        case .providerBar(let bar): bar.header.receiveTime
        case .depth(let header): header.receiveTime
        }
    }
}

extension HotTable {
    /// Takes values of the database. They replace none that is known from the tape.
    package mutating func add(_ fill: HotFill) {
        var origin = HotOrigin(
            source: fill.packet.header.source, order: fill.order, receivedAt: fill.receivedAt,
            stored: fill.readAt)
        origin.isFilled = true
        fill.packet.withBytes { add($0, origin, places: fill.places) }
    }
}
