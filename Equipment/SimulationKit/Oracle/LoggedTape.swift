package import MarketModel
internal import Primitives
internal import TapeCodec
package import StreamCore

/// A trade, quote or provider's bar of the tape, with everything that decides which window it
/// belongs to.
package struct LoggedTick: Hashable, Sendable {
    package struct ID: Hashable, Sendable {
        package var source: SourceName
        package var ordinal: UInt64

        package init(source: SourceName, ordinal: UInt64) {
            self.source = source
            self.ordinal = ordinal
        }
    }

    package var id: ID
    package var symbol: SourceSymbol
    /// The provider that fed the symbol when the tick came.
    package var provider: String
    package var header: TickHeader
    package var trade: Trade?
    package var quote: Quote?
    package var providerBar: ProviderBar?
    /// The book behind a change, whose header is that of the change's last row.
    package var book: LoggedBook?
    /// The symbol's round lot at its time, in 1e-8, by the definition in its packet.
    package var lot: Int64

    var kind: DataKind {
        if book != nil { return .depth }
        return trade != nil ? .trade : quote != nil ? .quote : .providerBar
    }

    package var time: Int64 { header.eventTime.nanoseconds }

    /// Orders ticks as in a window: event time, source, ordinal, a person's last.
    static func isBefore(_ left: LoggedTick, _ right: LoggedTick) -> Bool {
        if left.time != right.time { return left.time < right.time }
        let isByHand = (left.id.source == .manual, right.id.source == .manual)
        if isByHand.0 != isByHand.1 { return isByHand.1 }
        if left.id.source != right.id.source { return left.id.source < right.id.source }
        return left.id.ordinal < right.id.ordinal
    }
}

/// The contents of packets, in order.
enum LoggedEvent {
    /// The beginning of a packet.
    case packet
    case definition(LoggedDefinition, SourceName)
    case tick(LoggedTick)
    /// A row or a reset of a book. The change that a row belongs to is a tick that follows.
    case depth(LoggedDepth)
    case gap(GapRecord, LoggedScope)
    /// A gap of all symbols of a source, also of those that it defines only later.
    case gapOfAll(GapRecord, SourceName)
    case repair(RepairRequest, LoggedScope)
    case change(TradeChange, LoggedScope)
    /// The end of a packet.
    case watermark(Timestamp, SourceName)
}

/// A definition, with the source or group that owns the symbol.
struct LoggedDefinition {
    let symbol: SourceSymbol
    let since: Timestamp
}

/// The symbols that a record concerns. What is `nil` is not restricted.
struct LoggedScope {
    let symbol: Symbol?
    let source: SourceName?

    init(symbol: Symbol?, source: SourceName?) {
        self.symbol = symbol
        self.source = source
    }

    init(_ pair: SourceSymbol) { self.init(symbol: pair.symbol, source: pair.source) }

    func holds(_ pair: SourceSymbol) -> Bool {
        symbol.map { $0 == pair.symbol } ?? true && source.map { $0 == pair.source } ?? true
    }
}

/// The packets of a tape as a list of events. They are read in order, with no state but the sources
/// of the symbols and the indexes of the present packet.
package struct LoggedTape {
    private(set) var events: [LoggedEvent] = []
    private let groups: SourceGroups
    /// By symbol, the source or group that had it first. It owns the ticks of `manual`.
    private var firstOwners: [Symbol: SourceName] = [:]
    /// The known symbols, with the source that feeds each.
    private var feeds: [(symbol: SourceSymbol, source: SourceName)] = []
    /// The last row of a change of a book that may go on.
    private var row: (id: LoggedTick.ID, definition: SymbolDefinition, header: TickHeader)?

    init(_ packets: [SimulatedPacket], _ groups: SourceGroups) {
        self.groups = groups
        for packet in packets { packet.bytes.withRawSpan { read(packet.header, $0) } }
    }

    /// Returns all trades and quotes, in order.
    package static func ticks(
        of packets: [SimulatedPacket], _ groups: SourceGroups
    ) -> [LoggedTick] {
        LoggedTape(packets, groups).events.compactMap {
            guard case .tick(let tick) = $0 else { return nil }
            return tick.trade != nil || tick.quote != nil ? tick : nil
        }
    }

    private mutating func read(_ header: PacketHeader, _ packet: RawSpan) {
        events.append(.packet)
        if header.source != .manual { noteFeeds(header, packet) }
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            let id = LoggedTick.ID(source: header.source, ordinal: walk.ordinal)
            switch item {
            case .trade(let trade):
                add(id, walk.symbol(trade.header.symbol, in: packet), trade.header) {
                    $0.trade = trade
                }
            case .quote(let quote):
                add(id, walk.symbol(quote.header.symbol, in: packet), quote.header) {
                    $0.quote = quote
                }
            case .other(let message):
                if let gap = message.gapRecord(in: packet) {
                    let definition = walk.symbol(gap.header.symbol, in: packet)
                    for scope in scopes(definition, header) { events.append(.gap(gap, scope)) }
                    if definition == nil, header.source != .manual {
                        events.append(.gapOfAll(gap, header.source))
                    }
                } else if let request = message.repairRequest(in: packet) {
                    let definition = walk.symbol(request.header.symbol, in: packet)
                    for scope in scopes(definition, header) {
                        events.append(.repair(request, scope))
                    }
                } else if let change = message.tradeChange(in: packet) {
                    let definition = walk.symbol(change.header.symbol, in: packet)
                    events.append(.change(change, scope(definition, header)))
                } else if let update = message.depthUpdate(in: packet) {
                    add(id, walk.symbol(update.header.symbol, in: packet), .row(update))
                } else if let reset = message.depthReset(in: packet) {
                    add(id, walk.symbol(reset.header.symbol, in: packet), .reset(reset))
                } else if let bar = message.providerBar(in: packet) {
                    add(id, walk.symbol(bar.header.symbol, in: packet), bar.header) {
                        $0.providerBar = bar
                    }
                }
            case .control(let message):
                endChange()
                guard let definition = message.symbolDefinition(in: packet)?.definition else {
                    continue
                }
                if header.source != .manual, firstOwners[definition.symbol] == nil {
                    firstOwners[definition.symbol] = groups.owner(of: header.source)
                }
                let symbol = SourceSymbol(definition.symbol, of: groups.owner(of: header.source))
                events.append(
                    .definition(
                        LoggedDefinition(symbol: symbol, since: definition.since), header.source))
            case .bar: continue
            }
        }
        endChange()
        events.append(.watermark(header.watermark, header.source))
    }

    /// Adds a row or a reset. Rows that follow each other at one time are one change, which is a
    /// tick where it ends.
    private mutating func add(
        _ id: LoggedTick.ID, _ definition: SymbolDefinition?, _ record: LoggedDepth.Record
    ) {
        guard let definition, let owner = owner(of: definition, id.source) else { return }
        let isSame =
            row.map {
                $0.definition.symbol == definition.symbol
                    && $0.header.receiveTime == record.header.receiveTime
                    && $0.header.providerTime == record.header.providerTime
            } ?? false
        if !record.changesRows || !isSame { endChange() }
        events.append(
            .depth(
                LoggedDepth(
                    symbol: SourceSymbol(definition.symbol, of: owner), source: id.source,
                    record: record)))
        if record.changesRows { row = (id, definition, record.header) }
    }

    private mutating func endChange() {
        guard let row else { return }
        self.row = nil
        add(row.id, row.definition, row.header) { $0.book = LoggedBook() }
    }

    private mutating func add(
        _ id: LoggedTick.ID, _ definition: SymbolDefinition?, _ header: TickHeader,
        _ setContent: (inout LoggedTick) -> Void
    ) {
        guard let definition, let owner = owner(of: definition, id.source) else { return }
        // Without a statement it is 100.
        var lot: Int64 = 10_000_000_000
        if let stated = definition.lot {
            let isBefore = stated.from.nanoseconds != Int64.max && header.eventTime < stated.from
            lot = isBefore ? stated.before.raw : stated.size.raw
        }
        var tick = LoggedTick(
            id: id, symbol: SourceSymbol(definition.symbol, of: owner),
            provider: definition.provider, header: header, lot: lot)
        setContent(&tick)
        events.append(.tick(tick))
    }

    private func owner(of definition: SymbolDefinition, _ source: SourceName) -> SourceName? {
        guard source == .manual else { return groups.owner(of: source) }
        return definition.source.map { groups.owner(of: $0) } ?? firstOwners[definition.symbol]
    }

    /// Notes which symbols the packet's source feeds, by all definitions of the packet.
    private mutating func noteFeeds(_ header: PacketHeader, _ packet: RawSpan) {
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            guard case .control(let message) = item,
                let definition = message.symbolDefinition(in: packet)?.definition
            else { continue }
            let symbol = SourceSymbol(definition.symbol, of: groups.owner(of: header.source))
            feeds.removeAll { $0.symbol == symbol }
            feeds.append((symbol, header.source))
        }
    }

    /// Returns what a gap record or a request concerns: without a symbol, all symbols that its
    /// source feeds.
    private func scopes(
        _ definition: SymbolDefinition?, _ header: PacketHeader
    ) -> [LoggedScope] {
        guard definition == nil, header.source != .manual else {
            return [scope(definition, header)]
        }
        return feeds.filter { $0.source == header.source }.map { LoggedScope($0.symbol) }
    }

    /// Returns what a record concerns. A person's record concerns all sources, unless it names one.
    private func scope(_ definition: SymbolDefinition?, _ header: PacketHeader) -> LoggedScope {
        guard let definition else { return LoggedScope(symbol: nil, source: nil) }
        let named = header.source == .manual ? definition.source : header.source
        return LoggedScope(symbol: definition.symbol, source: named.map { groups.owner(of: $0) })
    }
}
