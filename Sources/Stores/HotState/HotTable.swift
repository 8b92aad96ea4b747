internal import MarketModel
package import Primitives
internal import TapeCodec

/// The latest trade, quote, bars, provider's bars, book and polled values of each symbol and source
/// since the process began, and which of them are not in Valkey yet.
///
/// Nothing is allocated per tick: a packet's symbols are found by their bytes, once per packet. A
/// *place* is a name's number in `HotNames` with the generation in which it is valid; the trade,
/// the quote and the bars of a name are found by it.
package struct HotTable {
    /// The number of bars for each symbol of a source.
    static let seriesPerSymbol = 4
    /// Separates the parts of a name. A source and a series have none, so the parts are found from
    /// the end.
    static let colon = UInt8(ascii: ":")

    /// The names of trades and quotes: `<symbol>:<source>`.
    private(set) var pairs: HotNames
    /// The books, with names of their own.
    var books: HotBooks
    /// The names of bars: `<symbol>:<series>:<source>`. The series of a provider's bars is its data
    /// and length, as in `trades-5s`; that of polled values is their name.
    var barNames: HotNames
    private(set) var trades = HotValues<Trade>()
    private(set) var quotes = HotValues<Quote>()
    private(set) var bars = HotValues<Bar>()
    private(set) var providerBars = HotValues<ProviderBar>()
    var indicators = HotValues<IndicatorValue>()
    var lanes = HotLanes()

    /// The symbols that the current packet defines, by index.
    var defined = PacketTable<Defined>()
    /// The bytes of the series' names in the current packet, by index.
    private var series = PacketTable<Range<Int>>()
    /// Room for a name that is looked up, reused.
    var name: [UInt8] = []
    /// Whether the current packet is of the database, and displaces no name.
    private(set) var isFill = false
    /// Of a packet of the database: where its records were on the tape, in their order.
    private var filledPlaces: [HotFillPlace] = []

    /// A symbol that the current packet defines.
    struct Defined {
        /// The bytes of the name in the packet.
        var name: Range<Int>
        /// The definition in the packet.
        var message: MessageBounds
        /// The source to which the records belong: the definition's, or the packet's.
        var source: SourceName
        /// The place of the pair. Looked up by the first tick that needs it.
        var place = HotNames.Place.none
        /// The place of the book, in the same way.
        var book = HotNames.Place.none
    }

    package init(symbolsMax: Int) {
        pairs = HotNames(countMax: symbolsMax)
        barNames = HotNames(countMax: symbolsMax * Self.seriesPerSymbol)
        books = HotBooks(symbolsMax: symbolsMax)
    }

    var evictions: UInt64 {
        pairs.evictions &+ barNames.evictions &+ books.names.evictions
    }
    var pendingCount: Int {
        trades.pendingCount + quotes.pendingCount + bars.pendingCount
            + providerBars.pendingCount + indicators.pendingCount + books.values.pendingCount
    }

    /// Takes all that is kept of a packet, in order, up to its first damage. `origin` is the
    /// packet's place on the tape.
    package mutating func add(_ packet: RawSpan, _ origin: HotOrigin) {
        defined.removeAll()
        series.removeAll()
        isFill = origin.isFilled
        if !isFill {
            books.begin(packet, origin)
            lanes.note(packet, origin)
        }
        var origin = origin
        let packetSource = origin.source
        origin.partition = packet.uint16(at: WireFormat.HeaderOffset.partition)
        let firstOrdinal = packet.uint64(at: WireFormat.HeaderOffset.firstOrdinal)
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            origin.ordinal = firstOrdinal &+ UInt64(cursor.tickCount &- 1)
            if isFill { origin.place(at: filledPlaces, cursor.tickCount) }
            switch record {
            case .trade(let trade):
                // A correction or a cancellation is not the latest trade.
                guard trade.header.action == TradeAction.new.rawValue,
                    let (place, source) = pair(trade.header.symbol, packet)
                else { continue }
                origin.source = source
                let received = trade.header.receiveTime
                trades.put(trade, received: received, origin.of(received), at: place)
            case .quote(let quote):
                guard let (place, source) = pair(quote.header.symbol, packet) else { continue }
                origin.source = source
                let received = quote.header.receiveTime
                quotes.put(quote, received: received, origin.of(received), at: place)
            case .bar(let bar): add(bar, packet, origin)
            case .other(let message):
                origin.source = packetSource
                add(message, packet, origin, number: cursor.tickCount &- 1)
            case .malformed:
                if !isFill { lanes.restart() }
                return books.loseLane(origin)
            }
        }
    }

    /// Takes a message that is no trade, quote or bar. `number` is that of a record within the
    /// packet.
    private mutating func add(
        _ message: MessageBounds, _ packet: RawSpan, _ origin: HotOrigin, number: UInt32
    ) {
        typealias Template = WireFormat.Template
        let template = message.template
        if template == Template.symbolDefinition || template == Template.seriesDefinition {
            define(message, packet, of: origin.source)
        } else if template == Template.depthUpdate || template == Template.depthReset {
            addDepth(message, packet, origin, number)
        } else if template == Template.providerBar {
            if let bar = message.providerBar(in: packet) { add(bar, packet, origin) }
        } else if template == Template.gapRecord || template == Template.subscriptionRecord {
            endBook(message, packet, origin)
        } else if template == Template.indicatorValue {
            addIndicator(message, packet, origin)
        }
    }

    /// Takes a packet of the database, whose records were at `places` on the tape.
    mutating func add(_ packet: RawSpan, _ origin: HotOrigin, places: [HotFillPlace]) {
        filledPlaces = places
        add(packet, origin)
    }

    /// Takes a bar. Its order has the window first, so that a late revision of an older window does
    /// not replace a newer bar.
    private mutating func add(_ bar: Bar, _ packet: RawSpan, _ origin: HotOrigin) {
        guard let series = series[UInt32(bar.series)], !series.isEmpty,
            let known = defined[bar.symbol], let place = place(of: known, series, packet)
        else { return }
        var origin = origin.of(bar.closeTime)
        origin.source = known.source
        origin.order.window = bar.openTime.nanoseconds
        origin.order.number = bar.number
        // A bar was not received from a provider. Its age is measured from its storing on the tape
        // only.
        bars.put(bar, received: .undefined, origin, at: place)
    }

    /// Takes a provider's bar, in the order of bars. One that was fetched later may be older than
    /// what Valkey holds, and its order says so.
    private mutating func add(_ bar: ProviderBar, _ packet: RawSpan, _ origin: HotOrigin) {
        guard bar.openTime.isDefined, bar.closeTime.isDefined,
            let known = defined[bar.header.symbol], let place = place(of: known, bar, packet)
        else { return }
        var origin = origin.of(bar.header.receiveTime)
        origin.source = known.source
        origin.order.window = bar.openTime.nanoseconds
        providerBars.put(bar, received: bar.header.receiveTime, origin, at: place)
    }

    // MARK: names

    /// Notes a definition of the current packet.
    private mutating func define(
        _ message: MessageBounds, _ packet: RawSpan, of source: SourceName
    ) {
        if let place = message.symbolPlace(in: packet) {
            defined[place.index] = Defined(
                name: place.name, message: message, source: place.source ?? source)
        } else if let place = message.seriesPlace(in: packet) {
            series[place.index] = place.name
        }
    }

    /// Returns the place of a symbol's ticks, and their source; `nil` when the packet does not
    /// define the symbol, or when its name is no valid name.
    private mutating func pair(
        _ index: UInt32, _ packet: RawSpan
    ) -> (place: HotNames.Place, source: SourceName)? {
        guard let known = defined[index] else {
            if !isFill { lanes.restart() }
            return nil
        }
        // Another pair of this packet may have taken its number.
        if pairs.isCurrent(known.place) {
            pairs.use(known.place)
            return (known.place, known.source)
        }
        spell(known, nil, packet)
        if let place = pairs.used(name) {
            defined[index]?.place = place
            return (place, known.source)
        }
        guard spellAsText(known, nil, packet),
            let place = isFill ? pairs.addIfRoom(name) : pairs.add(name)
        else { return nil }
        defined[index]?.place = place
        return (place, known.source)
    }

    /// Returns the place of a symbol's bars of a series; `nil` when a name is no valid name.
    private mutating func place(
        of known: Defined, _ series: Range<Int>, _ packet: RawSpan
    ) -> HotNames.Place? {
        spell(known, series, packet)
        if let place = barNames.used(name) { return place }
        guard SeriesName(packet.extracting(series).text) != nil,
            spellAsText(known, series, packet)
        else { return nil }
        return isFill ? barNames.addIfRoom(name) : barNames.add(name)
    }

    /// Returns the place of a symbol's provider's bars of the same data and length; `nil` when the
    /// symbol is no valid name.
    private mutating func place(
        of known: Defined, _ bar: ProviderBar, _ packet: RawSpan
    ) -> HotNames.Place? {
        name.removeAll(keepingCapacity: true)
        for offset in known.name { name.append(packet.uint8(at: offset)) }
        end(known, bar)
        if let place = barNames.used(name) { return place }
        guard let symbol = known.message.symbolDefinition(in: packet)?.definition.symbol else {
            return nil
        }
        name.removeAll(keepingCapacity: true)
        name.append(contentsOf: symbol.text.utf8)
        end(known, bar)
        return isFill ? barNames.addIfRoom(name) : barNames.add(name)
    }

    private mutating func end(_ known: Defined, _ bar: ProviderBar) {
        name.append(Self.colon)
        name.append(seriesOf: bar)
        name.append(Self.colon)
        name.append(known.source)
    }

    /// Makes a name of the bytes of the packet.
    mutating func spell(_ known: Defined, _ series: Range<Int>?, _ packet: RawSpan) {
        name.removeAll(keepingCapacity: true)
        for offset in known.name { name.append(packet.uint8(at: offset)) }
        end(known, series, packet)
    }

    /// Makes a new name. Only here the symbol's bytes are read as text: malformed text is repaired
    /// as for the tables. Returns false for text that is no symbol.
    mutating func spellAsText(
        _ known: Defined, _ series: Range<Int>?, _ packet: RawSpan
    ) -> Bool {
        guard let definition = known.message.symbolDefinition(in: packet)?.definition else {
            return false
        }
        name.removeAll(keepingCapacity: true)
        name.append(contentsOf: definition.symbol.text.utf8)
        end(known, series, packet)
        return true
    }

    private mutating func end(_ known: Defined, _ series: Range<Int>?, _ packet: RawSpan) {
        if let series {
            name.append(Self.colon)
            for offset in series { name.append(packet.uint8(at: offset)) }
        }
        name.append(Self.colon)
        name.append(known.source)
    }

    /// Returns the symbol of a name.
    static func symbol(in name: [UInt8], ofBar isBar: Bool) -> ArraySlice<UInt8> {
        var symbol = name[...]
        for _ in 0..<(isBar ? 2 : 1) {
            symbol = symbol.prefix(upTo: symbol.lastIndex(of: colon) ?? symbol.startIndex)
        }
        return symbol
    }

    // MARK: values that are not in Valkey yet

    /// Takes at most `limit` pending values for one round trip, into an empty batch. Values that
    /// were received before `alive` are dropped, because their keys would have expired.
    package mutating func take(
        atMost limit: Int, now: MonotonicTime, heardAfter alive: MonotonicTime,
        into batch: inout HotBatch
    ) {
        trades.take(
            atMost: limit - batch.count, of: pairs, now: now, heardAfter: alive,
            into: &batch.trades)
        quotes.take(
            atMost: limit - batch.count, of: pairs, now: now, heardAfter: alive,
            into: &batch.quotes)
        bars.take(
            atMost: limit - batch.count, of: barNames, now: now, heardAfter: alive,
            into: &batch.bars)
        providerBars.take(
            atMost: limit - batch.count, of: barNames, now: now, heardAfter: alive,
            into: &batch.providerBars)
        indicators.take(
            atMost: limit - batch.count, of: barNames, now: now, heardAfter: alive,
            into: &batch.indicators)
        books.take(
            atMost: limit - batch.count, now: now, heardAfter: alive, into: &batch.books)
        // Newer values may replace these before Valkey has stored them.
        batch.oldest = oldest(of: batch)
    }

    /// Takes lanes whose values are in Valkey into a batch that has its values already. They have
    /// room of their own, because values may come faster than they are written.
    mutating func takeLanes(
        now: MonotonicTime, heardAfter alive: MonotonicTime, into batch: inout HotBatch
    ) {
        if lanes.beginSnapshot(now, heardAfter: alive) {
            trades.mark()
            quotes.mark()
            bars.mark()
            providerBars.mark()
            indicators.mark()
            books.mark()
        }
        // Nothing is on its way.
        if batch.count == 0 { releaseLanes() }
        lanes.take(
            atMost: HotScripts.keysMax, now: now, heardAfter: alive, into: &batch.lanes)
    }

    /// All values that were taken so far are in Valkey: so are those of the snapshot of lanes, if
    /// none of them is left.
    mutating func releaseLanes() {
        guard trades.isMarkTaken, quotes.isMarkTaken, bars.isMarkTaken, providerBars.isMarkTaken,
            indicators.isMarkTaken, books.values.isMarkTaken
        else { return }
        lanes.release(evictions: pairs.evictions &+ barNames.evictions)
    }

    /// Makes values of one kind pending again that could not be written.
    mutating func putBack(_ kind: HotKind, _ places: ArraySlice<HotNames.Place>) {
        switch kind {
        case .trade: trades.putBack(places, of: pairs)
        case .quote: quotes.putBack(places, of: pairs)
        case .bar: bars.putBack(places, of: barNames)
        case .providerBar: providerBars.putBack(places, of: barNames)
        case .indicator: indicators.putBack(places, of: barNames)
        case .book: books.putBack(places)
        case .lane: lanes.putBack(places)
        }
    }

    /// Makes all values pending again that were received after `alive`.
    mutating func repeatAll(heardAfter alive: MonotonicTime) {
        trades.repeatAll(of: pairs, heardAfter: alive)
        quotes.repeatAll(of: pairs, heardAfter: alive)
        bars.repeatAll(of: barNames, heardAfter: alive)
        providerBars.repeatAll(of: barNames, heardAfter: alive)
        indicators.repeatAll(of: barNames, heardAfter: alive)
        books.repeatAll(heardAfter: alive)
        lanes.repeatAll(heardAfter: alive)
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
        add(providerBars, batch.providerBars)
        add(indicators, batch.indicators)
        add(books.values, batch.books)
        return times
    }
}
