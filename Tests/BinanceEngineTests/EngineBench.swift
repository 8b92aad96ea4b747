import EngineKit
import MarketModel
import Primitives

@testable import BinanceEngine

/// An engine with a clock that the test moves.
struct EngineBench {
    static let origin = Timestamp(nanoseconds: 1_700_000_000_000_000_000)

    var engine: BinanceEngine
    var out = BinanceOutput()
    var records: [ProviderRecord] = []
    var wishes: [BinanceWish] = []
    var notes: [BinanceNote] = []
    /// The symbols that the exchange does not have; `nil`: the test answers itself.
    var unknown: Set<String>? = []
    /// Since `origin`, in nanoseconds.
    var time: Int64 = 0
    /// How far the host's clock is ahead of it.
    var hostAhead: Int64 = 0

    init(_ change: (inout BinanceSettings) -> Void = { _ in }) {
        var settings = BinanceSettings(seed: 1)
        change(&settings)
        engine = BinanceEngine(settings)
    }

    var now: Moment {
        Moment(
            wall: Self.origin.advanced(byNanoseconds: time + hostAhead),
            monotonic: MonotonicTime(nanoseconds: 1_000_000 + time))
    }

    /// The present time as the exchange writes it, in milliseconds.
    var stamp: Int64 { Self.origin.advanced(byNanoseconds: time).nanoseconds / 1_000_000 }

    static func instrument(
        _ symbol: String, feeds: Instrument.Feeds = .trades, name: String = "",
        security: Instrument.Security = .crypto
    ) -> Instrument {
        var contract = Instrument.Contract(security)
        contract.providerSymbol = name
        guard let symbol = Symbol(symbol) else { preconditionFailure("no symbol: \(symbol)") }
        return Instrument(symbol: symbol, contract: contract, feeds: feeds)
    }

    mutating func follow(
        _ symbols: [String], reached: Timestamp = .undefined, gaps: [OpenGap] = []
    ) {
        let begun = symbols.enumerated().map { number, symbol in
            BinanceEngine.Begun(
                number: UInt32(number), instrument: Self.instrument(symbol), reached: reached)
        }
        engine.follow(begun: begun, ended: [], gaps: gaps, now, into: &out)
        pass(0)
    }

    /// Follows one instrument with these feeds.
    mutating func follow(
        _ symbol: String, _ feeds: Instrument.Feeds, reached: Timestamp = .undefined
    ) {
        let instrument = Self.instrument(symbol, feeds: feeds)
        engine.follow(
            begun: [BinanceEngine.Begun(number: 0, instrument: instrument, reached: reached)],
            ended: [], now, into: &out)
        pass(0)
    }

    /// Lets time pass, and does what is due in it.
    mutating func pass(_ nanoseconds: Int64) {
        time += nanoseconds
        engine.timePassed(now, into: &out)
        collect()
    }

    mutating func collect() {
        records += out.records
        wishes += out.wishes
        notes += out.notes
        out.records.removeAll()
        out.wishes.removeAll()
        out.notes.removeAll()
        answerLookUps()
    }

    /// Answers questions about symbols.
    private mutating func answerLookUps() {
        guard let unknown else { return }
        let asked = wishes.compactMap { wish in
            if case .lookUp(let question) = wish { question } else { nil }
        }
        guard let question = asked.first else { return }
        wishes.removeAll { if case .lookUp = $0 { true } else { false } }
        let isKnown = unknown.isDisjoint(with: question.symbols)
        engine.fetched(
            question.number,
            isKnown ? .page(Self.list(question.symbols)) : .unknownSymbol, now, into: &out)
        collect()
    }

    /// Returns the exchange's list of these symbols.
    static func list(
        _ symbols: [String], status: String = "TRADING", largest: String = "9000.00000000"
    ) -> [UInt8] {
        let items = symbols.map {
            "{\"symbol\":\"\($0)\",\"status\":\"\(status)\",\"filters\":["
                + "{\"filterType\":\"PRICE_FILTER\",\"maxPrice\":\"1000000.00\","
                + "\"tickSize\":\"0.01\"},{\"filterType\":\"LOT_SIZE\","
                + "\"maxQty\":\"\(largest)\",\"stepSize\":\"0.00001\"}]}"
        }
        return Array("{\"symbols\":[\(items.joined(separator: ","))]}".utf8)
    }

    /// Returns the wishes since the last call.
    mutating func takeWishes() -> [BinanceWish] {
        defer { wishes.removeAll() }
        return wishes
    }

    mutating func opened(_ leg: BinanceLegNumber) {
        engine.opened(leg, now, into: &out)
        pass(0)
    }

    mutating func ended(_ leg: BinanceLegNumber, _ why: String = "cut") {
        engine.ended(leg, why, now, into: &out)
        collect()
    }

    mutating func receive(_ text: String, on leg: BinanceLegNumber, isText: Bool = true) {
        receive(Array(text.utf8), on: leg, isText: isText)
    }

    mutating func receive(_ bytes: [UInt8], on leg: BinanceLegNumber, isText: Bool = true) {
        bytes.withRawSpan {
            engine.received($0, isText: isText, on: leg, now, into: &out)
        }
        collect()
    }

    /// Returns the records since the last call.
    mutating func takeRecords() -> [ProviderRecord] {
        defer { records.removeAll() }
        return records
    }

    /// The connection that was opened last.
    var lastLeg: BinanceLegNumber? { engine.legs.last?.number }

    /// Answers all requests that were sent.
    mutating func answerAll() { answer { _ in false } }

    /// Answers all requests that were sent; the exchange refuses some of them.
    mutating func answer(refusing isRefused: (String) -> Bool) {
        for wish in takeWishes() {
            guard case .send(let leg, let text) = wish, let place = text.range(of: "\"id\":")
            else { continue }
            let result =
                isRefused(text) ? "\"code\":2,\"msg\":\"Invalid request\"" : "\"result\":null"
            receive("{\(result),\"id\":\(text[place].dropLast())}", on: leg)
        }
    }

    mutating func trade(
        _ symbol: String, _ id: UInt64, on leg: BinanceLegNumber, size: String = "2.5",
        at milliseconds: Int64? = nil
    ) {
        let stamp = milliseconds ?? self.stamp
        receive(Self.text(symbol, id, stamp, size: size), on: leg)
    }

    static func text(
        _ symbol: String, _ id: UInt64, _ stamp: Int64, size: String = "2.5"
    ) -> String {
        "{\"stream\":\"\(symbol.lowercased())@trade\",\"data\":{\"e\":\"trade\",\"E\":\(stamp),"
            + "\"s\":\"\(symbol)\",\"t\":\(id),\"p\":\"0.001\",\"q\":\"\(size)\",\"T\":\(stamp),"
            + "\"m\":true,\"M\":true}}"
    }

    /// Connects, and has the exchange confirm what is wanted.
    mutating func connect() {
        for case .open(let leg) in takeWishes() { opened(leg) }
        answerAll()
    }

    var trades: [Trade] {
        records.compactMap { record in
            if case .tape(.trade(let trade)) = record { trade } else { nil }
        }
    }

    var quotes: [Quote] {
        records.compactMap { record in
            if case .tape(.quote(let quote)) = record { quote } else { nil }
        }
    }

    var bars: [ProviderBar] {
        records.compactMap { record in
            if case .tape(.providerBar(let bar)) = record { bar } else { nil }
        }
    }

    var ids: [UInt64] { trades.map(\.header.providerID) }

    var gaps: [GapRecord] {
        records.compactMap { record in
            if case .tape(.gap(let gap)) = record { gap } else { nil }
        }
    }

    var subscriptions: [SubscriptionRecord] {
        records.compactMap { record in
            if case .tape(.subscription(let record)) = record { record } else { nil }
        }
    }

    var feeds: [FeedState.State] {
        records.compactMap { record in
            if case .feed(let feed) = record { feed.state } else { nil }
        }
    }
}

extension String {
    /// Returns the range from the end of a part to the end.
    fileprivate func range(of part: String) -> Range<Index>? {
        var rest = self[...]
        while !rest.isEmpty {
            if rest.hasPrefix(part) {
                return rest.index(rest.startIndex, offsetBy: part.count)..<endIndex
            }
            rest = rest.dropFirst()
        }
        return nil
    }
}
