import MarketModel
import Primitives
import TapeCodec
import TapeProtocol

/// Converts a packet's trades, quotes, bars and provider's bars into one message each, for the
/// subjects that somebody hears: a subject and JSON.
///
/// One thread owns it. Subjects are kept from packet to packet, so that a symbol is encoded once.
struct LiveEncoder {
    /// The most subjects that are kept. At the next packet all are dropped and made again.
    static let subjectsMax = 262_144

    /// Takes a message; with the number of the question that it is to be.
    typealias Publish = (LiveSubject, _ question: UInt64?, _ json: [UInt8]) -> Void

    /// A symbol of a source, or of a group of sources.
    private struct Pair: Hashable {
        let symbol: Symbol
        let source: SourceName
    }

    /// A definition of the current packet with its source and its subjects. It is shared by the
    /// packet's records, so that none of them copies its parts.
    private final class Entry {
        let definition: SymbolDefinition
        let source: SourceName
        let subjects: PairSubjects

        init(_ definition: SymbolDefinition, _ source: SourceName, _ subjects: PairSubjects) {
            self.definition = definition
            self.source = source
            self.subjects = subjects
        }
    }

    let names: TapeNames
    var hearing = LiveHearing()
    /// The time of the present packet.
    var now = MonotonicTime.distantPast
    private var known: [Pair: PairSubjects] = [:]
    /// The subjects of values that belong to no symbol, by name.
    private var plainValues: [String: LiveSubject] = [:]
    /// The definitions of the current packet, by index.
    private var symbols = PacketTable<Entry>()
    var json = JSONWriter(capacity: 1_024)

    private let subjectsMax: Int

    init(_ names: TapeNames, subjectsMax: Int = Self.subjectsMax) {
        self.names = names
        self.subjectsMax = subjectsMax
    }

    /// Forgets who hears what: the link is another one.
    mutating func forget() {
        known.removeAll(keepingCapacity: true)
        plainValues.removeAll()
        symbols.removeAll()
        hearing = LiveHearing()
    }

    /// Calls `publish` with each message that somebody may hear, in the packet's order. Other kinds
    /// of records, and records whose symbol is not defined, are skipped.
    mutating func encode(_ packet: RawSpan, _ publish: Publish) throws(PacketError) {
        let header = try PacketReader.header(of: packet)
        symbols.removeAll()
        if hearing.subjects >= subjectsMax { forget() }
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            switch item {
            case .trade(let trade):
                guard let entry = symbols[trade.header.symbol] else { continue }
                send(entry.subjects.trades(names, &hearing), publish) { json in
                    Self.write(trade, entry.definition, header, walk.ordinal, into: &json)
                }
            case .quote(let quote):
                guard let entry = symbols[quote.header.symbol] else { continue }
                send(entry.subjects.quotes(names, &hearing), publish) { json in
                    Self.write(quote, entry.definition, header, walk.ordinal, into: &json)
                }
            case .bar(let bar):
                guard let entry = symbols[bar.symbol],
                    let series = walk.series(bar.series, in: packet)
                else { continue }
                send(entry.subjects.bars(series.name, names, &hearing), publish) { json in
                    Self.write(bar, entry.definition, series, header, walk.ordinal, into: &json)
                }
            case .other(let message):
                encode(message, in: packet, header, walk.ordinal, publish)
            case .control(let message): define(message, in: packet, of: header.source)
            }
        }
        if let damage = walk.damage { throw damage }
    }

    private mutating func encode(
        _ message: MessageBounds, in packet: RawSpan, _ header: PacketHeader, _ ordinal: UInt64,
        _ publish: Publish
    ) {
        if let bar = message.providerBar(in: packet) {
            guard let entry = symbols[bar.header.symbol] else { return }
            send(entry.subjects.providerBars(names, &hearing), publish) { json in
                Self.write(bar, entry.definition, header, ordinal, into: &json)
            }
        } else if let value = message.indicatorValue(in: packet), !value.name.isEmpty {
            let entry = symbols[value.header.symbol]
            guard entry != nil || value.header.symbol == TickHeader.noSymbol else { return }
            let subject =
                entry?.subjects.values(value.name, names, &hearing)
                ?? plainValues(value.name, header.source)
            send(subject, publish) { json in
                Self.write(value, entry?.definition, header, ordinal, into: &json)
            }
        }
    }

    /// Makes the message and hands it over, if somebody may hear it.
    mutating func send(
        _ subject: LiveSubject, _ publish: Publish, _ write: (inout JSONWriter) -> Void
    ) {
        let verdict = hearing.verdict(on: subject, now: now)
        if verdict == .leaveOut { return }
        json.removeAll()
        json.object(version: LivePublisher.version, write)
        if case .ask(let number) = verdict {
            publish(subject, number, json.bytes)
        } else {
            publish(subject, nil, json.bytes)
        }
    }

    // MARK: definitions

    /// Takes a definition of a symbol; other control messages are skipped.
    private mutating func define(
        _ message: MessageBounds, in packet: RawSpan, of source: SourceName
    ) {
        guard let (index, definition) = message.symbolDefinition(in: packet) else { return }
        let source = definition.source ?? source
        symbols[index] = Entry(definition, source, subjects(of: definition.symbol, source))
    }

    /// Returns the pair's subjects, made once.
    mutating func subjects(of symbol: Symbol, _ source: SourceName) -> PairSubjects {
        let pair = Pair(symbol: symbol, source: source)
        if let known = known[pair] { return known }
        let made = PairSubjects(symbol, source)
        known[pair] = made
        return made
    }

    private mutating func plainValues(_ name: String, _ source: SourceName) -> LiveSubject {
        if let known = plainValues[name] { return known }
        let made = hearing.subject(names.liveValues(name, nil, source), .indicator)
        plainValues[name] = made
        return made
    }

    // MARK: JSON

    private static func write(
        _ trade: Trade, _ symbol: SymbolDefinition, _ packet: PacketHeader, _ ordinal: UInt64,
        into json: inout JSONWriter
    ) {
        begin(&json, .trade, symbol.symbol, trade.header.eventTime)
        values(of: trade, into: &json)
        end(&json, trade.header, symbol, packet, ordinal)
    }

    private static func write(
        _ quote: Quote, _ symbol: SymbolDefinition, _ packet: PacketHeader, _ ordinal: UInt64,
        into json: inout JSONWriter
    ) {
        begin(&json, .quote, symbol.symbol, quote.header.eventTime)
        values(of: quote, into: &json)
        end(&json, quote.header, symbol, packet, ordinal)
    }

    private static func write(
        _ bar: ProviderBar, _ symbol: SymbolDefinition, _ packet: PacketHeader, _ ordinal: UInt64,
        into json: inout JSONWriter
    ) {
        begin(&json, .providerBar, symbol.symbol, bar.closeTime)
        values(of: bar, into: &json)
        end(&json, bar.header, symbol, packet, ordinal)
    }

    private static func write(
        _ bar: Bar, _ symbol: SymbolDefinition, _ series: SeriesDefinition,
        _ packet: PacketHeader, _ ordinal: UInt64, into json: inout JSONWriter
    ) {
        begin(&json, .bar, symbol.symbol, bar.openTime)
        json.member("series", series.name.text)
        if bar.closeTime.isDefined { json.member("close_time", time: bar.closeTime) }
        if bar.number != 0 { json.member("number", bar.number) }
        json.member("open", bar.open)
        json.member("high", bar.high)
        json.member("low", bar.low)
        json.member("close", bar.close)
        json.member("volume", decimal: bar.volume, decimals: Quantity.decimals)
        json.member("vwap", bar.vwap)
        json.member(
            "notional", decimal: bar.notional, decimals: Price.decimals + Quantity.decimals)
        json.member("trades", bar.trades)
        if bar.excluded.total > 0 { json.member("excluded", bar.excluded.total) }
        let isFinal = bar.flags.contains(.final)
        if isFinal { json.member("revision", ordinal) }
        json.member("generation", bar.generation)
        json.member("reason", BarReason(rawValue: bar.reason).map { "\($0)" } ?? "unknown")
        json.member("flags", names: bar.flags.names)
        ofSource(symbol, into: &json)
        // The bar of an open window is not on the tape and has no revision.
        if isFinal {
            place(&json, packet, ordinal)
        } else {
            json.member("in_progress", true)
        }
    }

    /// Writes the members that all messages begin with.
    static func begin(
        _ json: inout JSONWriter, _ kind: LiveKind, _ symbol: Symbol, _ time: Timestamp
    ) {
        json.member("kind", kind.name)
        json.member("symbol", symbol.text)
        if time.isDefined { json.member("time", time: time) }
    }

    static func values(of trade: Trade, into json: inout JSONWriter) {
        json.member("price", trade.price)
        json.member("size", trade.size)
        json.member("exchange", trade.exchange)
        json.member("conditions", trade.conditions)
        if let action = TradeAction(rawValue: trade.header.action), action != .new {
            json.member("action", "\(action)")
        }
    }

    static func values(of quote: Quote, into json: inout JSONWriter) {
        json.member("bid", quote.bidPrice)
        json.member("bid_size", quote.bidSize)
        json.member("bid_exchange", quote.bidExchange)
        json.member("ask", quote.askPrice)
        json.member("ask_size", quote.askSize)
        json.member("ask_exchange", quote.askExchange)
    }

    static func values(of bar: ProviderBar, into json: inout JSONWriter) {
        json.member("what", ProviderBarKind(rawValue: bar.kind).map { "\($0)" } ?? "unknown")
        if bar.openTime.isDefined { json.member("open_time", time: bar.openTime) }
        if bar.closeTime.isDefined { json.member("close_time", time: bar.closeTime) }
        json.member("open", bar.open)
        json.member("high", bar.high)
        json.member("low", bar.low)
        json.member("close", bar.close)
        if bar.volume != ProviderBar.undefinedVolume {
            json.member("volume", decimal: bar.volume, decimals: Quantity.decimals)
        }
        json.member("vwap", bar.vwap)
        if bar.trades != ProviderBar.undefinedCount { json.member("trades", bar.trades) }
        if bar.flags.contains(.inProgress) { json.member("unfinished", true) }
        if bar.flags.contains(.revised) { json.member("revised", true) }
    }

    /// Writes when a tick came and from which provider.
    static func origin(_ header: TickHeader, into json: inout JSONWriter) {
        json.member("flags", names: header.flags.names)
        if header.receiveTime.isDefined { json.member("receive_time", time: header.receiveTime) }
        if header.providerID != 0 { json.member("provider_id", header.providerID) }
    }

    private static func end(
        _ json: inout JSONWriter, _ header: TickHeader, _ symbol: SymbolDefinition,
        _ packet: PacketHeader, _ ordinal: UInt64
    ) {
        origin(header, into: &json)
        if !symbol.provider.isEmpty { json.member("provider", symbol.provider) }
        if packet.source.isDelayed { json.member("delayed", true) }
        ofSource(symbol, into: &json)
        place(&json, packet, ordinal)
    }

    /// Writes the source to which the record belongs, where it is not the packet's.
    static func ofSource(_ symbol: SymbolDefinition, into json: inout JSONWriter) {
        guard let source = symbol.source else { return }
        if source.isDelayed { json.member("delayed", true) }
        json.member("of_source", source.text)
    }

    /// Writes where the record is on the tape.
    static func place(
        _ json: inout JSONWriter, _ packet: PacketHeader, _ ordinal: UInt64
    ) {
        json.member("source", packet.source.text)
        json.member("partition", UInt64(packet.partition.number))
        json.member("ordinal", ordinal)
        json.member("epoch", packet.epoch)
    }
}

/// Members that are written only when the value is defined and not empty.
extension JSONWriter {
    fileprivate mutating func member(_ name: String, _ price: Price) {
        if price.isDefined { member(name, decimal: price.raw, decimals: Price.decimals) }
    }

    fileprivate mutating func member(_ name: String, _ size: Quantity) {
        if size.isDefined { member(name, decimal: size.raw, decimals: Quantity.decimals) }
    }

    fileprivate mutating func member(_ name: String, _ text: ShortText) {
        if text.raw != 0 { member(name, text.text) }
    }

    fileprivate mutating func member(_ name: String, names: [String]) {
        guard !names.isEmpty else { return }
        array(name) { json in for text in names { json.value(text) } }
    }
}
