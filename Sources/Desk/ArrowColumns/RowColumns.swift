internal import MarketModel
internal import Primitives

// The columns of each kind, to write rows into. `ColumnLayout` has the same order.

/// The columns of one kind.
protocol RowColumns {
    static var kind: ColumnKind { get }

    init(_ columns: inout ColumnCursor)

    /// Writes what all rows of a packet have in common.
    func fill(_ rows: Range<Int>, _ packet: PacketValues)
}

/// The columns of one kind of tick.
protocol TickColumns: RowColumns {
    var head: HeadColumns { get }
    var tail: TailColumns { get }
}

extension TickColumns {
    func fill(_ rows: Range<Int>, _ packet: PacketValues) {
        head.source.fill(rows, with: packet.source)
        tail.packet.fill(rows, packet)
    }
}

/// What all rows of a packet have in common.
struct PacketValues {
    let source: Int32
    let sentAt: Int64
    let knownAt: Int64
    let partition: UInt16
    let epoch: Int64
}

struct PacketColumns {
    let sentAt: Column<Int64>
    let knownAt: Column<Int64>
    let partition: Column<UInt16>
    let epoch: Column<Int64>
    let ordinal: Column<Int64>

    init(_ columns: inout ColumnCursor) {
        (sentAt, knownAt, partition, epoch, ordinal) = columns.take()
    }

    func fill(_ rows: Range<Int>, _ packet: PacketValues) {
        sentAt.fill(rows, with: packet.sentAt)
        knownAt.fill(rows, with: packet.knownAt)
        partition.fill(rows, with: packet.partition)
        epoch.fill(rows, with: packet.epoch)
    }
}

struct HeadColumns {
    let eventTime: Column<Int64>
    let receiveTime: Column<Int64>
    let symbol: Column<Int32>
    let source: Column<Int32>
    let provider: Column<Int32>

    init(_ columns: inout ColumnCursor) {
        (eventTime, receiveTime, symbol, source, provider) = columns.take()
    }

    @inline(__always)
    func put(_ header: TickHeader, _ names: RowNames, at row: Int) {
        eventTime.put(header.eventTime.nanoseconds, at: row)
        receiveTime.put(header.receiveTime.nanoseconds, at: row)
        symbol.put(names.symbol, at: row)
        provider.put(names.provider, at: row)
    }
}

struct TailColumns {
    let flags: Column<UInt16>
    let resolution: Column<UInt8>
    let providerID: Column<UInt64>
    let packet: PacketColumns

    init(_ columns: inout ColumnCursor) {
        (flags, resolution, providerID) = columns.take()
        packet = PacketColumns(&columns)
    }

    @inline(__always)
    func put(_ header: TickHeader, ordinal: UInt64, at row: Int) {
        flags.put(header.flags.rawValue, at: row)
        resolution.put(header.resolution, at: row)
        providerID.put(header.providerID, at: row)
        packet.ordinal.put(Int64(bitPattern: ordinal), at: row)
    }
}

struct TradeColumns: TickColumns {
    static let kind = ColumnKind.trades

    let head: HeadColumns
    let price: Column<Int64>
    let size: Column<Int64>
    let exchange: Column<Int32>
    let conditions: Column<Int32>
    let action: Column<Int32>
    let tail: TailColumns

    init(_ columns: inout ColumnCursor) {
        head = HeadColumns(&columns)
        (price, size, exchange, conditions, action) = columns.take()
        tail = TailColumns(&columns)
    }

    /// Writes all but the texts.
    @inline(__always)
    func put(_ trade: Trade, _ names: RowNames, _ ordinal: UInt64, at row: Int) {
        head.put(trade.header, names, at: row)
        price.put(trade.price.raw, at: row)
        size.put(trade.size.raw, at: row)
        tail.put(trade.header, ordinal: ordinal, at: row)
    }
}

struct QuoteColumns: TickColumns {
    static let kind = ColumnKind.quotes

    let head: HeadColumns
    let bidPrice: Column<Int64>
    let bidSize: Column<Int64>
    let askPrice: Column<Int64>
    let askSize: Column<Int64>
    let bidExchange: Column<Int32>
    let askExchange: Column<Int32>
    let tail: TailColumns

    init(_ columns: inout ColumnCursor) {
        head = HeadColumns(&columns)
        (bidPrice, bidSize, askPrice, askSize, bidExchange, askExchange) = columns.take()
        tail = TailColumns(&columns)
    }

    /// Writes all but the texts.
    @inline(__always)
    func put(_ quote: Quote, _ names: RowNames, _ ordinal: UInt64, at row: Int) {
        head.put(quote.header, names, at: row)
        bidPrice.put(quote.bidPrice.raw, at: row)
        bidSize.put(quote.bidSize.raw, at: row)
        askPrice.put(quote.askPrice.raw, at: row)
        askSize.put(quote.askSize.raw, at: row)
        tail.put(quote.header, ordinal: ordinal, at: row)
    }
}

struct DepthColumns: TickColumns {
    static let kind = ColumnKind.depth

    let head: HeadColumns
    let operation: Column<Int32>
    let side: Column<Int32>
    let position: Column<Int64>
    let price: Column<Int64>
    let size: Column<Int64>
    let marketMaker: Column<Int32>
    let flags: Column<UInt8>
    let reason: Column<Int32>
    let tail: TailColumns

    init(_ columns: inout ColumnCursor) {
        head = HeadColumns(&columns)
        (operation, side, position, price, size, marketMaker, flags, reason) = columns.take()
        tail = TailColumns(&columns)
    }
}

struct GapColumns: TickColumns {
    static let kind = ColumnKind.gaps

    let head: HeadColumns
    let kind: Column<Int32>
    let reason: Column<Int32>
    let state: Column<Int32>
    let from: Column<Int64>
    let to: Column<Int64>
    let lostFirst: Column<Int64>
    let lostLast: Column<Int64>
    /// The end of each row's text is in the next row.
    let detail: Column<Int32>
    let tail: TailColumns

    init(_ columns: inout ColumnCursor) {
        head = HeadColumns(&columns)
        (kind, reason, state, from, to, lostFirst, lostLast, detail) = columns.take()
        tail = TailColumns(&columns)
        detail.put(0, at: 0)
    }
}

struct BarColumns: RowColumns {
    static let kind = ColumnKind.bars

    let openTime: Column<Int64>
    let closeTime: Column<Int64>
    let symbol: Column<Int32>
    let source: Column<Int32>
    let series: Column<Int32>
    let number: Column<Int64>
    let prices: Prices
    let sums: Sums
    let flags: Column<UInt8>
    let reason: Column<Int32>
    let generation: Column<UInt32>
    let lateness: Column<Int64>
    let packet: PacketColumns

    struct Prices {
        let open: Column<Int64>
        let high: Column<Int64>
        let low: Column<Int64>
        let close: Column<Int64>
        let vwap: Column<Int64>

        init(_ columns: inout ColumnCursor) {
            (open, high, low, close, vwap) = columns.take()
        }
    }

    struct Sums {
        let volume: Column<Int128>
        let notional: Column<Int128>
        let trades: Column<UInt64>
        let condition: Column<UInt32>
        let oddLot: Column<UInt32>
        let filter: Column<UInt32>
        let undefined: Column<UInt32>

        init(_ columns: inout ColumnCursor) {
            (volume, notional, trades, condition, oddLot, filter, undefined) = columns.take()
        }
    }

    init(_ columns: inout ColumnCursor) {
        (openTime, closeTime, symbol, source, series, number) = columns.take()
        prices = Prices(&columns)
        sums = Sums(&columns)
        (flags, reason, generation, lateness) = columns.take()
        packet = PacketColumns(&columns)
    }

    func fill(_ rows: Range<Int>, _ values: PacketValues) { packet.fill(rows, values) }

    func put(_ bar: Bar, ordinal: UInt64, at row: Int) {
        openTime.put(bar.openTime.nanoseconds, at: row)
        closeTime.put(bar.closeTime.nanoseconds, at: row)
        number.put(bar.number, at: row)
        prices.open.put(bar.open.raw, at: row)
        prices.high.put(bar.high.raw, at: row)
        prices.low.put(bar.low.raw, at: row)
        prices.close.put(bar.close.raw, at: row)
        prices.vwap.put(bar.vwap.raw, at: row)
        sums.volume.put(bar.volume, at: row)
        sums.notional.put(bar.notional, at: row)
        sums.trades.put(bar.trades, at: row)
        sums.condition.put(bar.excluded.condition, at: row)
        sums.oddLot.put(bar.excluded.oddLot, at: row)
        sums.filter.put(bar.excluded.filter, at: row)
        sums.undefined.put(bar.excluded.undefined, at: row)
        flags.put(bar.flags.rawValue, at: row)
        generation.put(bar.generation, at: row)
        packet.ordinal.put(Int64(bitPattern: ordinal), at: row)
    }
}
