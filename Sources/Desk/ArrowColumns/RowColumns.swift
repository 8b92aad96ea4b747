internal import MarketModel
internal import Primitives
internal import TapeCodec

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

    /// Copies the fields of ticks. A loop has few columns, so that their addresses stay in
    /// registers.
    func copy(_ ticks: TickFields, _ names: PacketNames, from row: Int) {
        let offset = WireFormat.TickField.self
        let (eventTime, receiveTime) = (eventTime, receiveTime)
        for index in ticks.indices {
            let time: Int64 = ticks.load(offset.providerTime, of: index)
            let received: Int64 = ticks.load(offset.receiveTime, of: index)
            eventTime.put(time == .max ? received : time, at: row &+ index)
            receiveTime.put(received, at: row &+ index)
        }
        let (symbol, provider) = (symbol, provider)
        for index in ticks.indices {
            let found = names[ticks.load(offset.symbol, of: index)]
            symbol.put(found.symbol, at: row &+ index)
            provider.put(found.provider, at: row &+ index)
        }
    }

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

    /// Copies the fields of ticks. `before`: the ordinal before the packet's first one.
    func copy(_ ticks: TickFields, before: UInt64, from row: Int) {
        let offset = WireFormat.TickField.self
        let (flags, resolution) = (flags, resolution)
        let (providerID, ordinal) = (providerID, packet.ordinal)
        for index in ticks.indices {
            flags.put(ticks.load(offset.flags, of: index), at: row &+ index)
            resolution.put(ticks.load(offset.resolution, of: index), at: row &+ index)
            providerID.put(ticks.load(offset.providerID, of: index), at: row &+ index)
            let number = before &+ ticks.number(of: index)
            ordinal.put(Int64(bitPattern: number), at: row &+ index)
        }
    }

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

    /// Copies all but the texts. `before`: the ordinal before the packet's first one.
    func copy(_ ticks: TickFields, _ names: PacketNames, before: UInt64, from row: Int) {
        head.copy(ticks, names, from: row)
        let offset = WireFormat.TradeField.self
        let (price, size) = (price, size)
        for index in ticks.indices {
            price.put(ticks.load(offset.price, of: index), at: row &+ index)
            size.put(ticks.load(offset.size, of: index), at: row &+ index)
        }
        tail.copy(ticks, before: before, from: row)
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

    /// Copies all but the texts. `before`: the ordinal before the packet's first one.
    func copy(_ ticks: TickFields, _ names: PacketNames, before: UInt64, from row: Int) {
        let offset = WireFormat.QuoteField.self
        head.copy(ticks, names, from: row)
        let (bidPrice, bidSize, askPrice, askSize) = (bidPrice, bidSize, askPrice, askSize)
        for index in ticks.indices {
            bidPrice.put(ticks.load(offset.bidPrice, of: index), at: row &+ index)
            bidSize.put(ticks.load(offset.bidSize, of: index), at: row &+ index)
            askPrice.put(ticks.load(offset.askPrice, of: index), at: row &+ index)
            askSize.put(ticks.load(offset.askSize, of: index), at: row &+ index)
        }
        tail.copy(ticks, before: before, from: row)
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

struct IndicatorColumns: TickColumns {
    static let kind = ColumnKind.indicators

    let head: HeadColumns
    let name: Column<Int32>
    let value: Column<Int128>
    let unit: Column<Int32>
    let periodStart: Column<Int64>
    let periodEnd: Column<Int64>
    let revision: Column<Int64>
    let ofSource: Column<Int32>
    let tail: TailColumns

    init(_ columns: inout ColumnCursor) {
        head = HeadColumns(&columns)
        (name, value, unit, periodStart, periodEnd, revision, ofSource) = columns.take()
        tail = TailColumns(&columns)
    }
}

struct ProviderBarColumns: TickColumns {
    static let kind = ColumnKind.providerBars

    let head: HeadColumns
    let madeOf: Column<Int32>
    let openTime: Column<Int64>
    let prices: BarColumns.Prices
    let volume: Column<Int128>
    let trades: Column<Int64>
    let flags: Column<UInt8>
    let tail: TailColumns

    init(_ columns: inout ColumnCursor) {
        head = HeadColumns(&columns)
        (madeOf, openTime) = columns.take()
        prices = BarColumns.Prices(&columns)
        (volume, trades, flags) = columns.take()
        tail = TailColumns(&columns)
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
