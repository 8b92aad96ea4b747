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
    /// The ordinals of the changes of books in it, in their order.
    var ordinals: [UInt64] = []
}

/// Makes packets of values that were read from the database.
package struct HotFillBuilder {
    private var builder: PacketBuilder
    private let order: HotOrder
    private let readAt: Timestamp
    private let receivedAt: MonotonicTime
    private var fills: [HotFill] = []
    private var series: [SeriesName: UInt16] = [:]
    private var ordinals: [UInt64] = []

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

    /// Adds a value. Its record's index of a symbol, and of a series, is replaced.
    package mutating func add(
        _ value: HotFillValue, symbol: Symbol, source: SourceName
    ) {
        let number = builder.register(
            SymbolDefinition(symbol: symbol, provider: "", since: .undefined, source: source))
        if append(value, of: number) { return }
        seal()
        let isIn = append(value, of: number)
        precondition(isIn, "an empty packet has room for a value")
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
        case .depth(var header, let ordinal):
            header.symbol = symbol
            // Of the change only these are used.
            guard builder.append(DepthReset(header: header, reason: .unknown)) else { return false }
            ordinals.append(ordinal)
            return true
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
                ordinals: ordinals))
        ordinals = []
    }
}

/// A row of the database as a record.
package enum HotFillValue: Sendable {
    case trade(Trade)
    case quote(Quote)
    case bar(Bar, series: SeriesName)
    case providerBar(ProviderBar)
    /// The last change of a book: its header and its ordinal. The rows are not read.
    case depth(TickHeader, ordinal: UInt64)

    /// The time at which its key's life began; undefined when unknown.
    package var time: Timestamp {
        switch self {
        case .trade(let trade): trade.header.receiveTime
        case .quote(let quote): quote.header.receiveTime
        case .bar(let bar, _): bar.closeTime
        case .providerBar(let bar): bar.header.receiveTime
        case .depth(let header, _): header.receiveTime
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
        fill.packet.withBytes { add($0, origin, ordinals: fill.ordinals) }
    }
}
