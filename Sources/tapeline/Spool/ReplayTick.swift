import MarketModel
import Primitives
import TapeCodec

/// A tick out of a packet that can be put into another one.
struct ReplayTick {
    enum Content: Hashable {
        case trade(Trade)
        case quote(Quote)
        case depth(DepthUpdate)
        case depthReset(DepthReset)
        case providerBar(ProviderBar)
        case option(OptionComputation)
        case news(NewsHeadline)
        case bulletin(NewsBulletin)
        case fundamental(FundamentalPart)
        case indicator(IndicatorValue)
    }

    let ordinal: UInt64
    /// Nil: it concerns no symbol.
    let symbol: SymbolDefinition?
    var content: Content

    /// What is the same in every packet that this very tick stands in, in this process.
    var fingerprint: Int {
        var plain = content
        plain.change {
            $0.symbol = 0
            $0.flags.remove(.backfilled)
        }
        var hasher = Hasher()
        hasher.combine(symbol?.symbol)
        hasher.combine(plain)
        return hasher.finalize()
    }

    var isBackfilled: Bool {
        var flags: TickFlags = []
        var copy = content
        copy.change { flags = $0.flags }
        return flags.contains(.backfilled)
    }

    var eventTime: Timestamp {
        var time = Timestamp.undefined
        var copy = content
        copy.change { time = $0.eventTime }
        return time
    }

    var kind: DataKind {
        switch content {
        case .trade: .trade
        case .quote: .quote
        case .depth, .depthReset: .depth
        case .providerBar: .providerBar
        case .option: .optionComputation
        case .news, .bulletin: .news
        case .fundamental: .fundamental
        case .indicator: .indicator
        }
    }
}

extension ReplayTick.Content {
    /// Whether it may concern no symbol.
    var mayBeGeneral: Bool {
        switch self {
        case .trade, .quote, .depth, .depthReset, .providerBar, .option: false
        case .news, .bulletin, .fundamental, .indicator: true
        }
    }

    /// The header is the same in every kind of tick, and in another place of each.
    mutating func change(_ body: (inout TickHeader) -> Void) {
        switch self {
        case .trade(var tick):
            body(&tick.header)
            self = .trade(tick)
        case .quote(var tick):
            body(&tick.header)
            self = .quote(tick)
        case .depth(var tick):
            body(&tick.header)
            self = .depth(tick)
        case .depthReset(var tick):
            body(&tick.header)
            self = .depthReset(tick)
        case .providerBar(var tick):
            body(&tick.header)
            self = .providerBar(tick)
        case .option(var tick):
            body(&tick.header)
            self = .option(tick)
        case .news(var tick):
            body(&tick.header)
            self = .news(tick)
        case .bulletin(var tick):
            body(&tick.header)
            self = .bulletin(tick)
        case .fundamental(var tick):
            body(&tick.header)
            self = .fundamental(tick)
        case .indicator(var tick):
            body(&tick.header)
            self = .indicator(tick)
        }
    }
}

/// Takes a packet apart.
struct ReplayPacket {
    /// What stands in it, in order.
    enum Item {
        case tick(ReplayTick)
        case gap(GapRecord, SymbolDefinition?)
        /// It has an ordinal, and is about its source or of a kind that this version does not know.
        case other
    }

    private var symbols: [UInt32: SymbolDefinition] = [:]

    /// Of a packet that was validated.
    mutating func walk(
        _ packet: RawSpan, from first: UInt64, _ visit: (Item) throws -> Void
    ) rethrows {
        symbols.removeAll(keepingCapacity: true)
        var cursor = RecordCursor()
        var ordinal = first
        while let record = cursor.next(in: packet) {
            switch record {
            case .trade(let trade): try visit(item(.trade(trade), trade.header, ordinal))
            case .quote(let quote): try visit(item(.quote(quote), quote.header, ordinal))
            case .bar: try visit(.other)
            case .other(let message):
                guard WireFormat.Template.isTick(message.template) else {
                    define(message, in: packet)
                    continue
                }
                try visit(item(message, in: packet, ordinal))
            // A packet that was validated has none.
            case .malformed: return
            }
            ordinal &+= 1
        }
    }

    private mutating func define(_ message: MessageBounds, in packet: RawSpan) {
        guard let (index, definition) = message.symbolDefinition(in: packet) else { return }
        symbols[index] = definition
    }

    private func item(
        _ content: ReplayTick.Content, _ header: TickHeader, _ ordinal: UInt64
    ) -> Item {
        if header.symbol == TickHeader.noSymbol {
            // Prices are of a symbol; no packet takes them without one.
            guard content.mayBeGeneral else { return .other }
            return .tick(ReplayTick(ordinal: ordinal, symbol: nil, content: content))
        }
        // A tick of a symbol that nobody defined means nothing anywhere else.
        guard let symbol = symbols[header.symbol] else { return .other }
        return .tick(ReplayTick(ordinal: ordinal, symbol: symbol, content: content))
    }

    private func item(
        _ message: MessageBounds, in packet: RawSpan, _ ordinal: UInt64
    ) -> Item {
        if let gap = message.gapRecord(in: packet) {
            return .gap(gap, symbols[gap.header.symbol])
        }
        guard let header = message.tickHeader(in: packet),
            let content = content(message, in: packet)
        else { return .other }
        return item(content, header, ordinal)
    }

    private func content(
        _ message: MessageBounds, in packet: RawSpan
    ) -> ReplayTick.Content? {
        if let tick = message.depthUpdate(in: packet) { return .depth(tick) }
        if let tick = message.depthReset(in: packet) { return .depthReset(tick) }
        if let tick = message.providerBar(in: packet) { return .providerBar(tick) }
        if let tick = message.optionComputation(in: packet) { return .option(tick) }
        if let tick = message.newsHeadline(in: packet) { return .news(tick) }
        if let tick = message.newsBulletin(in: packet) { return .bulletin(tick) }
        if let tick = message.fundamentalPart(in: packet) { return .fundamental(tick) }
        if let tick = message.indicatorValue(in: packet) { return .indicator(tick) }
        return nil
    }
}
