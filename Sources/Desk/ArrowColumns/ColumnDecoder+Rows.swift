internal import MarketModel
internal import Primitives
internal import TapeCodec

/// After the last row of each kind.
struct RowEnds {
    var trades = 0
    var quotes = 0
    var depth = 0
    var bars = 0
    var gaps = 0
    var indicators = 0
    var providerBars = 0

    var most: Int {
        max(max(trades, quotes), max(depth, bars), max(gaps, indicators), providerBars)
    }

    subscript(kind: ColumnKind) -> Int {
        get { self[keyPath: Self.path(kind)] }
        set { self[keyPath: Self.path(kind)] = newValue }
    }

    private static func path(_ kind: ColumnKind) -> WritableKeyPath<RowEnds, Int> {
        switch kind {
        case .trades: \.trades
        case .quotes: \.quotes
        case .depth: \.depth
        case .bars: \.bars
        case .gaps: \.gaps
        case .indicators: \.indicators
        case .providerBars: \.providerBars
        }
    }
}

// The loop over a packet's messages. It is measured per tick: nothing is allocated, and texts are
// indexes. There is room for all rows of the packet.
extension ColumnDecoder {
    /// The first number that a decimal of Arrow cannot hold.
    private static let decimalEnd: Int128 = 100_000_000_000_000_000_000_000_000_000_000_000_000

    /// Writes the rows of a packet after those that are kept, and returns where they end. Ticks
    /// with ordinals below `first` are left out. A damaged message ends it, and more or fewer ticks
    /// than the header states.
    ///
    /// Only the places of trades and quotes are found here, without a copy. What the loop knows is
    /// local and passed by value, so that it stays in registers.
    mutating func write(
        _ packet: RawSpan, _ header: PacketHeader, from first: UInt64
    ) throws(DecodeError) -> RowEnds {
        var rows = PacketRows(
            first: first, names: PacketNames(packetMemory.names),
            trades: TickPlaces(packetMemory.trades), quotes: TickPlaces(packetMemory.quotes),
            ends: kept)
        let (wantsTrades, wantsQuotes) = (trades.isWanted, quotes.isWanted)
        if bars.isWanted { series.removeAll() }
        while true {
            let place = rows.cursor.place
            if let trade = rows.cursor.nextTrade(in: packet) {
                guard wantsTrades else { continue }
                if !rows.names.isUsual(trade.header.symbol) {
                    try checkSymbol(trade.header, rows, header, place)
                }
                rows.trades.append(place, tick: rows.cursor.tickCount)
            } else if let bounds = DefinitionBounds(at: place, in: packet),
                let found = definitions.names(of: bounds, in: packet)
            {
                let index = packet.uint32(at: bounds.index)
                if rows.names.isDefined(index) { rows = try copied(rows, packet, header) }
                rows.names.set(index, found)
                rows.cursor.skip(bounds)
            } else if let quote = rows.cursor.nextQuote(in: packet) {
                guard wantsQuotes else { continue }
                if !rows.names.isUsual(quote.header.symbol) {
                    try checkSymbol(quote.header, rows, header, place)
                }
                rows.quotes.append(place, tick: rows.cursor.tickCount)
            } else {
                guard rows.cursor.hasMore(in: packet) else { break }
                rows = try written(rows, packet, header)
            }
        }
        guard rows.cursor.tickCount == header.tickCount else { throw Self.wrongCount(header) }
        return try copied(rows, packet, header).ends
    }

    /// What the loop over a packet's messages knows.
    struct PacketRows {
        /// Ticks with ordinals below it are left out.
        let first: UInt64
        var cursor = RecordCursor()
        var names: PacketNames
        /// The ticks that wait to be copied, of all symbols and times.
        var trades: TickPlaces
        var quotes: TickPlaces
        /// After the rows that were written.
        var ends: RowEnds
    }

    private static func wrongCount(_ header: PacketHeader) -> DecodeError {
        DecodeError(
            damage: "the packet has other than \(header.tickCount) ticks",
            at: WireFormat.HeaderOffset.tickCount)
    }

    /// Copies the trades and quotes that wait. Each loop over them copies only a few columns, so
    /// that it is short.
    @inline(never)
    private mutating func copied(
        _ rows: PacketRows, _ packet: RawSpan, _ header: PacketHeader
    ) throws(DecodeError) -> PacketRows {
        // There is room for the rows of so many.
        guard rows.cursor.tickCount <= header.tickCount else { throw Self.wrongCount(header) }
        var rows = rows
        let before = header.firstOrdinal &- 1
        let (names, ends) = (rows.names, rows.ends)
        leaveOut(&rows, packet, header)
        rows.trades.withFields(of: packet) { ticks in
            trades.columns.copy(ticks, names, before: before, from: ends.trades)
            texts.copy(ticks, trades.columns, from: ends.trades)
        }
        rows.quotes.withFields(of: packet) { ticks in
            quotes.columns.copy(ticks, names, before: before, from: ends.quotes)
            texts.copy(ticks, quotes.columns, from: ends.quotes)
        }
        rows.ends.trades += rows.trades.count
        rows.ends.quotes += rows.quotes.count
        rows.trades.removeAll()
        rows.quotes.removeAll()
        return rows
    }

    /// Leaves out the ticks that wait and are not selected, or were given before.
    private func leaveOut(_ rows: inout PacketRows, _ packet: RawSpan, _ header: PacketHeader) {
        guard selection.limitsTicks || rows.first > header.firstOrdinal else { return }
        let (names, times, offset) = (rows.names, selection.times, WireFormat.TickField.self)
        let (before, first) = (header.firstOrdinal &- 1, rows.first)
        func isWanted(_ ticks: TickFields, _ index: Int) -> Bool {
            guard before &+ ticks.number(of: index) >= first,
                names[ticks.load(offset.symbol, of: index)].isOfSymbols
            else { return false }
            let time: Int64 = ticks.load(offset.providerTime, of: index)
            return times.contains(
                time == .max ? ticks.load(offset.receiveTime, of: index) : time)
        }
        rows.trades.filter(in: packet, isWanted)
        rows.quotes.filter(in: packet, isWanted)
    }

    // MARK: other messages

    /// Checks that the packet defines the symbol of a tick at this place, or that the tick is of
    /// all symbols, or is left out.
    @inline(never)
    private func checkSymbol(
        _ tick: TickHeader, _ rows: PacketRows, _ header: PacketHeader, _ place: Int
    ) throws(DecodeError) {
        let ordinal = header.firstOrdinal &- 1 &+ UInt64(rows.cursor.tickCount)
        if ordinal >= rows.first { _ = try rows.names.names(of: tick.symbol, place) }
    }

    /// Takes the next message, which is no trade or quote as this version writes them, and no known
    /// definition.
    @inline(never)
    private mutating func written(
        _ before: PacketRows, _ packet: RawSpan, _ header: PacketHeader
    ) throws(DecodeError) -> PacketRows {
        var rows = before
        let place = rows.cursor.place
        guard let record = rows.cursor.next(in: packet) else { return rows }
        let tick = rows.cursor.tickCount
        guard tick <= header.tickCount else { throw Self.wrongCount(header) }
        let ordinal = header.firstOrdinal &- 1 &+ UInt64(tick)
        switch record {
        case .trade(let trade):
            guard trades.isWanted else { break }
            try checkSymbol(trade.header, rows, header, place)
            rows.trades.append(place, tick: tick)
        case .quote(let quote):
            guard quotes.isWanted else { break }
            try checkSymbol(quote.header, rows, header, place)
            rows.quotes.append(place, tick: tick)
        case .bar(let bar):
            guard bars.isWanted, ordinal >= rows.first else { break }
            let found = try rows.names.names(of: bar.symbol, place)
            try write(bar, found, ordinal, place, &rows.ends)
        case .other(let message):
            if WireFormat.Template.isTick(message.template) {
                guard ordinal >= rows.first else { break }
                try write(message, packet, header, ordinal, &rows)
            } else {
                // A definition may change what an index of a tick that waits means.
                rows = try copied(rows, packet, header)
                define(message, packet, &rows.names)
            }
        case .malformed(let error):
            throw DecodeError(damage: "\(error)", at: error.offset)
        }
        return rows
    }

    private static func checkDigits(_ value: Int128, _ place: Int) throws(DecodeError) {
        guard value == .max || value.magnitude < decimalEnd.magnitude else {
            throw DecodeError(
                damage: "a number has more than \(ColumnLayout.decimalDigits) digits", at: place)
        }
    }

    private mutating func write(
        _ bar: Bar, _ names: RowNames, _ ordinal: UInt64, _ place: Int, _ ends: inout RowEnds
    ) throws(DecodeError) {
        let columns = bars.columns
        guard let series = series[UInt32(bar.series)] else {
            throw DecodeError(
                damage: "the packet does not define series \(bar.series)", at: place)
        }
        try Self.checkDigits(bar.volume, place)
        try Self.checkDigits(bar.notional, place)
        guard names.isOfSymbols, names.isOfSources,
            selection.times.contains(bar.openTime.nanoseconds)
        else { return }
        let row = ends.bars
        columns.symbol.put(names.symbol, at: row)
        columns.source.put(names.source, at: row)
        columns.series.put(series.name, at: row)
        columns.lateness.put(series.lateness, at: row)
        columns.reason.put(texts.names.barReasons.index(of: bar.reason), at: row)
        columns.put(bar, ordinal: ordinal, at: row)
        ends.bars += 1
    }

    @inline(never)
    private mutating func write(
        _ message: MessageBounds, _ packet: RawSpan, _ packetHeader: PacketHeader,
        _ ordinal: UInt64, _ rows: inout PacketRows
    ) throws(DecodeError) {
        let names = rows.names
        switch RecordKind(template: message.template) {
        case .depth, .depthReset:
            guard depth.isWanted, let header = message.tickHeader(in: packet) else { return }
            let columns = depth.columns
            let names = try names.names(of: header.symbol, message.start)
            guard names.isOfSymbols, selection.times.contains(header.eventTime.nanoseconds) else {
                return
            }
            if let update = message.depthUpdate(in: packet) {
                write(update, columns, at: rows.ends.depth)
            } else if let reset = message.depthReset(in: packet) {
                write(reset, columns, at: rows.ends.depth)
            }
            columns.head.put(header, names, at: rows.ends.depth)
            columns.tail.put(header, ordinal: ordinal, at: rows.ends.depth)
            rows.ends.depth += 1
        case .gap:
            guard gaps.isWanted else { return }
            guard let gap = message.gapRecord(in: packet) else {
                throw DecodeError(damage: "a gap's text is too long", at: message.start)
            }
            let names = try names.names(of: gap.header.symbol, message.start)
            let times = (gap.from.nanoseconds, gap.to.nanoseconds)
            guard names.isOfSymbols, selection.times.overlap(from: times.0, to: times.1) else {
                return
            }
            write(gap, names, ordinal, at: rows.ends.gaps)
            rows.ends.gaps += 1
        case .indicator:
            guard indicators.isWanted, let value = message.indicatorValue(in: packet) else {
                return
            }
            let names = try names.names(of: value.header.symbol, message.start)
            try Self.checkDigits(value.value, message.start)
            guard isWanted(names, of: packetHeader),
                selection.times.contains(value.header.eventTime.nanoseconds)
            else { return }
            write(value, names, ordinal, at: rows.ends.indicators)
            rows.ends.indicators += 1
        case .providerBar:
            guard providerBars.isWanted, let bar = message.providerBar(in: packet) else { return }
            let names = try names.names(of: bar.header.symbol, message.start)
            try Self.checkDigits(bar.volume, message.start)
            guard names.isOfSymbols, selection.times.contains(bar.closeTime.nanoseconds) else {
                return
            }
            write(bar, names, ordinal, at: rows.ends.providerBars)
            rows.ends.providerBars += 1
        case .trade, .quote, .bar, .lateTick, .news, .bulletin, .fundamental, .subscription,
            .repair, .tradeChange, .action, .option, nil:
            break
        }
    }

    private mutating func write(_ update: DepthUpdate, _ columns: DepthColumns, at row: Int) {
        columns.operation.put(texts.names.operations.index(of: update.operation), at: row)
        columns.side.put(texts.names.sides.index(of: update.side), at: row)
        columns.position.put(Int64(update.position), at: row)
        columns.price.put(update.price.raw, at: row)
        columns.size.put(update.size.raw, at: row)
        let maker = texts.marketMakers.index(of: update.marketMaker) { $0.text }
        columns.marketMaker.put(maker, at: row)
        columns.flags.put(update.flags.rawValue, at: row)
        columns.reason.put(-1, at: row)
    }

    private mutating func write(_ reset: DepthReset, _ columns: DepthColumns, at row: Int) {
        columns.operation.put(texts.names.operations.index(of: "reset"), at: row)
        columns.side.put(-1, at: row)
        columns.position.put(.max, at: row)
        columns.price.put(.max, at: row)
        columns.size.put(.max, at: row)
        columns.marketMaker.put(texts.marketMakers.index(of: .none) { $0.text }, at: row)
        columns.flags.put(0, at: row)
        columns.reason.put(texts.names.resetReasons.index(of: reset.reason), at: row)
    }

    private mutating func write(
        _ gap: GapRecord, _ names: RowNames, _ ordinal: UInt64, at row: Int
    ) {
        let columns = gaps.columns
        columns.head.put(gap.header, names, at: row)
        columns.kind.put(texts.names.dataKinds.index(of: gap.kind), at: row)
        columns.reason.put(texts.names.gapReasons.index(of: gap.reason), at: row)
        columns.state.put(texts.names.gapStates.index(of: gap.state), at: row)
        columns.from.put(gap.from.nanoseconds, at: row)
        columns.to.put(gap.to.nanoseconds, at: row)
        columns.lostFirst.put(Int64(bitPattern: gap.firstOrdinal), at: row)
        columns.lostLast.put(Int64(bitPattern: gap.lastOrdinal), at: row)
        gapText += gap.detail.utf8
        columns.detail.put(Int32(truncatingIfNeeded: gapText.count), at: row + 1)
        columns.tail.put(gap.header, ordinal: ordinal, at: row)
    }

    /// Whether a value is of the selection. Without a symbol it is only of one of all symbols. In
    /// a packet of bars it is of the source whose ticks it is made of, or else of the packet's.
    private func isWanted(_ names: RowNames, of header: PacketHeader) -> Bool {
        guard names.isOfSymbols, names.symbol >= 0 || selection.symbols.isEmpty else {
            return false
        }
        guard header.kind == .bars, names.source < 0 else {
            return header.kind != .bars || names.isOfSources
        }
        return selection.sources.isEmpty || selection.sources.contains(header.source)
    }

    private mutating func write(
        _ value: IndicatorValue, _ names: RowNames, _ ordinal: UInt64, at row: Int
    ) {
        let columns = indicators.columns
        columns.head.put(value.header, names, at: row)
        columns.name.put(texts.valueNames.index(of: value.name) { $0 }, at: row)
        columns.value.put(value.value, at: row)
        columns.unit.put(texts.units.index(of: value.unit) { $0 }, at: row)
        columns.periodStart.put(value.periodStart.nanoseconds, at: row)
        columns.periodEnd.put(value.periodEnd.nanoseconds, at: row)
        columns.revision.put(Int64(bitPattern: value.revision), at: row)
        columns.ofSource.put(names.source, at: row)
        columns.tail.put(value.header, ordinal: ordinal, at: row)
    }

    private mutating func write(
        _ bar: ProviderBar, _ names: RowNames, _ ordinal: UInt64, at row: Int
    ) {
        let columns = providerBars.columns
        columns.head.put(bar.header, names, at: row)
        // Its event time is its end.
        columns.head.eventTime.put(bar.closeTime.nanoseconds, at: row)
        columns.madeOf.put(texts.names.barData.index(of: bar.kind), at: row)
        columns.openTime.put(bar.openTime.nanoseconds, at: row)
        columns.prices.open.put(bar.open.raw, at: row)
        columns.prices.high.put(bar.high.raw, at: row)
        columns.prices.low.put(bar.low.raw, at: row)
        columns.prices.close.put(bar.close.raw, at: row)
        columns.prices.vwap.put(bar.vwap.raw, at: row)
        columns.volume.put(bar.volume, at: row)
        columns.trades.put(bar.trades, at: row)
        columns.flags.put(bar.flags.rawValue, at: row)
        columns.tail.put(bar.header, ordinal: ordinal, at: row)
    }

    // MARK: names

    /// Notes a definition. One that names no symbol or series is left out, so that only ticks that
    /// use it are damage.
    @inline(never)
    private mutating func define(
        _ message: MessageBounds, _ packet: RawSpan, _ names: inout PacketNames
    ) {
        if let (index, definition) = message.symbolDefinition(in: packet) {
            let found = self.names(definition)
            names.set(index, found)
            guard index < PacketLimits.definitionsMax, !texts.isOverLimit,
                let bounds = DefinitionBounds(at: message.start, in: packet)
            else { return }
            definitions.note(bounds, in: packet, found)
        } else if let parts = message.symbolParts(in: packet) {
            names.set(parts.index, nil)
        } else if bars.isWanted, let (index, found) = message.seriesDefinition(in: packet) {
            series[index] = RowSeries(
                name: texts.series.index(of: found.name.text),
                lateness: found.latenessNanoseconds ?? .max)
        }
    }

    private mutating func names(_ definition: SymbolDefinition) -> RowNames {
        var names = RowNames()
        names.symbol = texts.symbols.index(of: definition.symbol.text)
        if !definition.provider.isEmpty {
            names.provider = texts.providers.index(of: definition.provider)
        }
        names.isOfSymbols =
            selection.symbols.isEmpty || selection.symbols.contains(definition.symbol)
        names.isOfSources = selection.sources.isEmpty
        if let source = definition.source {
            names.source = texts.sources.index(of: source) { $0.text }
            names.isOfSources = names.isOfSources || selection.sources.contains(source)
        }
        return names
    }
}

extension RowTexts {
    /// Copies the texts of trades as their indexes.
    fileprivate mutating func copy(_ ticks: TickFields, _ columns: TradeColumns, from row: Int) {
        let offset = WireFormat.TradeField.self
        exchanges.copy(offset.exchange, of: ticks, to: columns.exchange, from: row)
        conditions.copy(offset.conditions, of: ticks, to: columns.conditions, from: row)
        for index in ticks.indices {
            let action: UInt8 = ticks.load(WireFormat.TickField.action, of: index)
            columns.action.put(names.actions.index(of: action), at: row &+ index)
        }
    }

    /// The same of quotes.
    fileprivate mutating func copy(_ ticks: TickFields, _ columns: QuoteColumns, from row: Int) {
        let offset = WireFormat.QuoteField.self
        exchanges.copy(offset.bidExchange, of: ticks, to: columns.bidExchange, from: row)
        exchanges.copy(offset.askExchange, of: ticks, to: columns.askExchange, from: row)
    }
}

extension ShortTexts {
    /// Copies a field of each tick as the indexes of its texts.
    fileprivate mutating func copy(
        _ offset: Int, of ticks: TickFields, to column: Column<Int32>, from row: Int
    ) {
        guard column.isWanted else { return }
        var places = places
        for index in ticks.indices {
            let text = ShortText(raw: ticks.load(offset, of: index))
            column.put(self.index(of: text, &places), at: row &+ index)
        }
    }
}
