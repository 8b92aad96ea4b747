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

    var most: Int { max(max(trades, quotes), max(depth, bars), gaps) }

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
        }
    }
}

// The loop over a packet's ticks. It is measured per tick: nothing is allocated, and texts are
// indexes. There is room for all rows of the packet.
extension ColumnDecoder {
    /// The first number that a decimal of Arrow cannot hold.
    private static let decimalEnd: Int128 = 100_000_000_000_000_000_000_000_000_000_000_000_000

    /// Writes the rows of a packet after those that are kept, and returns where they end. Ticks
    /// with ordinals below `first` are left out. A damaged message ends it, and more or fewer ticks
    /// than the header states.
    mutating func write(
        _ packet: RawSpan, _ header: PacketHeader, from first: UInt64
    ) throws(DecodeError) -> RowEnds {
        var ends = kept
        let (trades, quotes) = (trades.columns, quotes.columns)
        let (wantsTrades, wantsQuotes) = (self.trades.isWanted, self.quotes.isWanted)
        let times = selection.times
        let before = header.firstOrdinal &- 1
        var places = (exchanges: texts.exchanges.places, conditions: texts.conditions.places)
        var names = PacketNames(nameMemory)
        if bars.isWanted { series.removeAll() }
        var cursor = RecordCursor()
        while true {
            let place = cursor.place
            if let bounds = DefinitionBounds(at: place, in: packet),
                let found = definitions.names(of: bounds, in: packet)
            {
                names.set(packet.uint32(at: bounds.index), found)
                cursor.skip(bounds)
                continue
            }
            guard let record = cursor.next(in: packet) else { break }
            // There is room for the rows of so many.
            guard cursor.tickCount <= header.tickCount else { throw Self.wrongCount(header) }
            let ordinal = before &+ UInt64(cursor.tickCount)
            switch record {
            case .trade(let trade):
                guard wantsTrades, ordinal >= first else { continue }
                let found = try names.names(of: trade.header.symbol, place)
                guard found.isOfSymbols, times.contains(trade.header.eventTime.nanoseconds)
                else { continue }
                trades.put(trade, found, ordinal, at: ends.trades)
                texts.put(trade, trades, at: ends.trades, &places)
                ends.trades &+= 1
            case .quote(let quote):
                guard wantsQuotes, ordinal >= first else { continue }
                let found = try names.names(of: quote.header.symbol, place)
                guard found.isOfSymbols, times.contains(quote.header.eventTime.nanoseconds)
                else { continue }
                quotes.put(quote, found, ordinal, at: ends.quotes)
                texts.put(quote, quotes, at: ends.quotes, &places)
                ends.quotes &+= 1
            case .bar(let bar):
                guard bars.isWanted, ordinal >= first else { continue }
                let found = try names.names(of: bar.symbol, place)
                try write(bar, found, ordinal, place, &ends)
            case .other(let message):
                if WireFormat.Template.isTick(message.template) {
                    guard ordinal >= first else { continue }
                    try write(message, packet, names, ordinal, &ends)
                } else {
                    define(message, packet, &names)
                }
            case .malformed(let error):
                throw DecodeError(damage: "\(error)", at: error.offset)
            }
        }
        guard cursor.tickCount == header.tickCount else { throw Self.wrongCount(header) }
        return ends
    }

    private static func wrongCount(_ header: PacketHeader) -> DecodeError {
        DecodeError(
            damage: "the packet has other than \(header.tickCount) ticks",
            at: WireFormat.HeaderOffset.tickCount)
    }

    // MARK: ticks

    private mutating func write(
        _ bar: Bar, _ names: RowNames, _ ordinal: UInt64, _ place: Int, _ ends: inout RowEnds
    ) throws(DecodeError) {
        let columns = bars.columns
        guard let series = series[UInt32(bar.series)] else {
            throw DecodeError(
                damage: "the packet does not define series \(bar.series)", at: place)
        }
        for sum in [bar.volume, bar.notional] where sum != .max {
            guard sum.magnitude < Self.decimalEnd.magnitude else {
                throw DecodeError(
                    damage: "a bar's sum has more than \(ColumnLayout.decimalDigits) digits",
                    at: place)
            }
        }
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
        _ message: MessageBounds, _ packet: RawSpan, _ names: PacketNames, _ ordinal: UInt64,
        _ ends: inout RowEnds
    ) throws(DecodeError) {
        switch RecordKind(template: message.template) {
        case .depth, .depthReset:
            guard depth.isWanted, let header = message.tickHeader(in: packet) else { return }
            let columns = depth.columns
            let names = try names.names(of: header.symbol, message.start)
            guard names.isOfSymbols, selection.times.contains(header.eventTime.nanoseconds) else {
                return
            }
            if let update = message.depthUpdate(in: packet) {
                write(update, columns, at: ends.depth)
            } else if let reset = message.depthReset(in: packet) {
                write(reset, columns, at: ends.depth)
            }
            columns.head.put(header, names, at: ends.depth)
            columns.tail.put(header, ordinal: ordinal, at: ends.depth)
            ends.depth += 1
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
            write(gap, names, ordinal, at: ends.gaps)
            ends.gaps += 1
        case .trade, .quote, .bar, .lateTick, .news, .bulletin, .fundamental, .indicator,
            .subscription, .repair, .tradeChange, .action, .providerBar, .option, nil:
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
            guard let bounds = DefinitionBounds(at: message.start, in: packet), !texts.isOverLimit
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
    @inline(__always)
    fileprivate mutating func put(
        _ trade: Trade, _ columns: TradeColumns, at row: Int,
        _ places: inout (exchanges: ShortTexts.Places, conditions: ShortTexts.Places)
    ) {
        columns.exchange.put(exchanges.index(of: trade.exchange, &places.exchanges), at: row)
        columns.conditions.put(conditions.index(of: trade.conditions, &places.conditions), at: row)
        columns.action.put(names.actions.index(of: trade.header.action), at: row)
    }

    @inline(__always)
    fileprivate mutating func put(
        _ quote: Quote, _ columns: QuoteColumns, at row: Int,
        _ places: inout (exchanges: ShortTexts.Places, conditions: ShortTexts.Places)
    ) {
        columns.bidExchange.put(exchanges.index(of: quote.bidExchange, &places.exchanges), at: row)
        columns.askExchange.put(exchanges.index(of: quote.askExchange, &places.exchanges), at: row)
    }
}
