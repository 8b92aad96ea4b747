internal import MarketModel
package import Primitives
internal import TapeCodec

/// The latest trade, quote and bars of each symbol since the process began, and which of them are
/// not in Valkey yet. One thread uses it: that of `HotStateKeeper`.
///
/// Nothing is allocated per tick: a packet's symbols are found by their bytes, once per packet. A
/// *place* is a name's number in `HotNames` with the generation in which it is valid; the trade,
/// the quote and the bars of a name are found by it.
package struct HotTable {
    /// The mean number of series per symbol for which there is room. Bars have names of their own,
    /// `<symbol>:<series>`.
    static let seriesPerSymbol = 4

    /// The numbers of symbols, for trades and quotes.
    private(set) var symbols: HotNames
    /// The numbers of `<symbol>:<series>`, for bars.
    private(set) var barNames: HotNames
    private(set) var trades = HotValues<Trade>()
    private(set) var quotes = HotValues<Quote>()
    private(set) var bars = HotValues<Bar>()

    /// The symbols that the current packet defines, by index.
    private var defined = PacketTable<Defined>()
    /// The bytes of the series' names in the current packet, by index.
    private var series = PacketTable<Range<Int>>()
    /// Room for `<symbol>:<series>`, reused for each bar.
    private var barName: [UInt8] = []

    /// A symbol that the current packet defines.
    private struct Defined {
        /// The bytes of the name in the packet.
        var name: Range<Int>
        /// The definition in the packet.
        var message: MessageBounds
        /// For bars: the source of the ticks from which they were made.
        var source: SourceName?
        /// Its place, or `none` before the first record that needs it.
        var place = HotNames.Place.none
    }

    package init(symbolsMax: Int) {
        symbols = HotNames(countMax: symbolsMax)
        barNames = HotNames(countMax: symbolsMax * Self.seriesPerSymbol)
    }

    /// The number of names that lost their numbers.
    var evictions: UInt64 { symbols.evictions &+ barNames.evictions }
    var pendingCount: Int { trades.pendingCount + quotes.pendingCount + bars.pendingCount }

    /// Takes all trades, quotes and bars of a packet, in order, up to its first damage. `origin` is
    /// the packet's place on the tape.
    package mutating func add(_ packet: RawSpan, _ origin: HotOrigin) {
        defined.removeAll()
        series.removeAll()
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .trade(let trade):
                // A correction or a cancellation is not the latest trade.
                guard trade.header.action == TradeAction.new.rawValue,
                    let place = symbol(trade.header.symbol, packet)
                else { continue }
                trades.put(trade, received: trade.header.receiveTime, origin, at: place)
            case .quote(let quote):
                guard let place = symbol(quote.header.symbol, packet) else { continue }
                quotes.put(quote, received: quote.header.receiveTime, origin, at: place)
            case .bar(let bar): add(bar, packet, origin)
            case .other(let message): define(message, packet)
            case .malformed: return
            }
        }
    }

    /// Takes a bar. Its order has the window first, so that a late revision of an older window does
    /// not replace a newer bar.
    private mutating func add(_ bar: Bar, _ packet: RawSpan, _ origin: HotOrigin) {
        guard let name = series[UInt32(bar.series)], !name.isEmpty,
            let symbol = symbol(bar.symbol, packet), let place = barPlace(symbol, name, packet)
        else { return }
        var origin = origin
        origin.source = defined[bar.symbol]?.source ?? origin.source
        origin.order.window = bar.openTime.nanoseconds
        origin.order.number = bar.number
        // A bar was not received from a provider. Its age is measured from its storing on the tape
        // only.
        bars.put(bar, received: .undefined, origin, at: place)
    }

    // MARK: names

    /// Notes a definition of the current packet.
    private mutating func define(_ message: MessageBounds, _ packet: RawSpan) {
        if let place = message.symbolPlace(in: packet) {
            defined[place.index] = Defined(
                name: place.name, message: message, source: place.source)
        } else if let place = message.seriesPlace(in: packet) {
            series[place.index] = place.name
        }
    }

    /// Returns the place of a symbol by its index in the packet; `nil` when the packet does not
    /// define it, or when its name is not valid.
    private mutating func symbol(_ index: UInt32, _ packet: RawSpan) -> HotNames.Place? {
        guard let known = defined[index] else { return nil }
        // Looked up by an earlier record. Another symbol of this packet may have taken the number
        // since.
        if symbols.isCurrent(known.place) {
            symbols.use(known.place)
            return known.place
        }
        let bytes = packet.extracting(known.name)
        let hash = Checksum.of(bytes)
        guard
            let place = symbols.find(bytes, hash: hash)
                ?? newSymbol(known.message, bytes, hash: hash, packet)
        else { return nil }
        symbols.use(place)
        defined[index]?.place = place
        return place
    }

    /// Returns the place of a symbol whose bytes are not known, and gives it a number. Only here
    /// the bytes are read as text: malformed UTF-8 is repaired, as for the database, so the
    /// repaired name may be known. `nil` when the text is no valid symbol.
    private mutating func newSymbol(
        _ message: MessageBounds, _ bytes: RawSpan, hash: UInt64, _ packet: RawSpan
    ) -> HotNames.Place? {
        guard let definition = message.symbolDefinition(in: packet)?.definition else { return nil }
        let name = Array(definition.symbol.text.utf8)
        let nameHash = name.withRawSpan { Checksum.of($0) }
        let known = name.withRawSpan { symbols.find($0, hash: nameHash) }
        return known ?? symbols.insert(name, hash: nameHash)
    }

    /// Returns the place of a symbol's bars of one series; `nil` when the series has no valid name.
    private mutating func barPlace(
        _ symbol: HotNames.Place, _ series: Range<Int>, _ packet: RawSpan
    ) -> HotNames.Place? {
        barName.removeAll(keepingCapacity: true)
        barName.append(contentsOf: symbols.name(Int(symbol.index)))
        barName.append(UInt8(ascii: ":"))
        for offset in series { barName.append(packet.uint8(at: offset)) }
        let hash = barName.withRawSpan { Checksum.of($0) }
        if let place = barName.withRawSpan({ barNames.find($0, hash: hash) }) {
            barNames.use(place)
            return place
        }
        // A valid series' name contains no colon, so different pairs have different names.
        guard SeriesName(packet.extracting(series).text) != nil else { return nil }
        return barNames.insert(barName, hash: hash)
    }

    // MARK: values that are not in Valkey yet

    /// Takes at most `limit` pending values for one round trip, into an empty batch. Values that
    /// were received before `alive` are dropped, because their keys would have expired.
    package mutating func take(
        atMost limit: Int, now: MonotonicTime, heardAfter alive: MonotonicTime,
        into batch: inout HotBatch
    ) {
        trades.take(
            atMost: limit - batch.count, of: symbols, now: now, heardAfter: alive,
            into: &batch.trades)
        quotes.take(
            atMost: limit - batch.count, of: symbols, now: now, heardAfter: alive,
            into: &batch.quotes)
        bars.take(
            atMost: limit - batch.count, of: barNames, now: now, heardAfter: alive,
            into: &batch.bars)
        // Newer values may replace these before Valkey has stored them.
        batch.oldest = oldest(of: batch)
    }

    /// Makes values of one kind pending again that could not be written.
    mutating func putBack(_ kind: HotKind, _ places: ArraySlice<HotNames.Place>) {
        switch kind {
        case .trade: trades.putBack(places, of: symbols)
        case .quote: quotes.putBack(places, of: symbols)
        case .bar: bars.putBack(places, of: barNames)
        }
    }

    /// Makes all values pending again that were received after `alive`.
    mutating func repeatAll(heardAfter alive: MonotonicTime) {
        trades.repeatAll(of: symbols, heardAfter: alive)
        quotes.repeatAll(of: symbols, heardAfter: alive)
        bars.repeatAll(of: barNames, heardAfter: alive)
    }

    /// Returns the earliest times among the values at a batch's places. Repeated values are left
    /// out.
    private func oldest(of batch: HotBatch) -> HotBatch.Times {
        var times = HotBatch.Times()
        func add<Record>(_ values: HotValues<Record>, _ places: [HotNames.Place]) {
            for place in places {
                guard let value = values.value(place), !value.isRepeated else { continue }
                times.received = min(times.received, value.receiveTime)
                times.stored = min(times.stored, value.origin.stored)
            }
        }
        add(trades, batch.trades)
        add(quotes, batch.quotes)
        add(bars, batch.bars)
        return times
    }
}

/// The kinds of keys: one hash in Valkey per symbol and kind.
package enum HotKind: CaseIterable {
    case trade
    case quote
    case bar
}

/// The places of the values of one round trip.
package struct HotBatch {
    /// Times of values; undefined when there is none.
    struct Times {
        /// When a gateway received it.
        var received = Timestamp.undefined
        /// When the tape stored it.
        var stored = Timestamp.undefined
    }

    var trades: [HotNames.Place] = []
    var quotes: [HotNames.Place] = []
    var bars: [HotNames.Place] = []
    /// The earliest times among the values when they were taken. Repeated values are left out.
    fileprivate(set) var oldest = Times()

    package init() {}

    package var count: Int { trades.count + quotes.count + bars.count }

    func places(_ kind: HotKind) -> [HotNames.Place] {
        switch kind {
        case .trade: trades
        case .quote: quotes
        case .bar: bars
        }
    }

    package mutating func removeAll() {
        trades.removeAll(keepingCapacity: true)
        quotes.removeAll(keepingCapacity: true)
        bars.removeAll(keepingCapacity: true)
    }
}
