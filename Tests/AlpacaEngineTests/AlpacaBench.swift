import EngineKit
import MarketModel
import Primitives

@testable import AlpacaEngine

/// An engine with a clock that the test moves.
struct AlpacaBench {
    static let second: Int64 = 1_000_000_000
    /// 2026-02-23T15:00:00Z.
    static let origin = Timestamp(nanoseconds: 1_771_858_800_000_000_000)

    var engine: AlpacaEngine
    var out = StreamMachine.Output()
    var records: [ProviderRecord] = []
    var wishes: [StreamWish] = []
    var notes: [StreamNote] = []
    /// Since `origin`, in nanoseconds.
    var time: Int64 = 0
    /// How far the host's clock is ahead of it.
    var hostAhead: Int64 = 0

    init(
        _ feed: AlpacaFeedName = .sip, at time: Int64 = 0,
        _ change: (inout AlpacaSettings) -> Void = { _ in }
    ) {
        var settings = AlpacaSettings(feed, seed: 1)
        settings.stream.tradesKept = 1_024
        change(&settings)
        engine = AlpacaEngine(settings)
        self.time = time
    }

    var now: Moment {
        Moment(
            wall: Self.origin.advanced(byNanoseconds: time + hostAhead),
            monotonic: MonotonicTime(nanoseconds: 1_000_000 + time))
    }

    /// The present time as the service writes it.
    var stamp: String { Self.origin.advanced(byNanoseconds: time).description }

    static func instrument(
        _ symbol: String, _ feeds: Instrument.Feeds = .trades, name: String = "",
        security: Instrument.Security = .stock
    ) -> Instrument {
        var contract = Instrument.Contract(security)
        contract.providerSymbol = name
        guard let symbol = Symbol(symbol) else { preconditionFailure("no symbol: \(symbol)") }
        return Instrument(symbol: symbol, contract: contract, feeds: feeds)
    }

    mutating func follow(
        _ symbols: [String], _ feeds: Instrument.Feeds = .trades,
        security: Instrument.Security = .stock, ended: [UInt32] = [],
        reached: Timestamp = .undefined, gaps: [OpenGap] = []
    ) {
        let begun = symbols.enumerated().map { number, symbol in
            BegunInstrument(
                number: UInt32(number),
                instrument: Self.instrument(symbol, feeds, security: security), reached: reached)
        }
        engine.follow(begun: begun, ended: ended, gaps: gaps, now, into: &out)
        pass(0)
    }

    /// Lets time pass, and does what is due in it.
    mutating func pass(_ nanoseconds: Int64) {
        time += nanoseconds
        engine.drained(now, into: &out)
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
    }

    /// Returns the wishes since the last call.
    mutating func takeWishes() -> [StreamWish] {
        defer { wishes.removeAll() }
        return wishes
    }

    /// Returns the requests that were sent since the last call.
    mutating func takeRequests() -> [String] {
        takeWishes().compactMap { if case .send(_, let text) = $0 { text } else { nil } }
    }

    mutating func opened(_ number: UInt32) {
        engine.opened(number, now, into: &out)
        pass(0)
    }

    mutating func ended(_ number: UInt32, _ why: String = "cut") {
        engine.ended(number, why, now, into: &out)
        collect()
    }

    mutating func receive(_ text: String, on number: UInt32, isText: Bool = true) {
        receive(Array(text.utf8), on: number, isText: isText)
    }

    mutating func receive(_ bytes: [UInt8], on number: UInt32, isText: Bool = true) {
        bytes.withRawSpan {
            engine.received($0, isText: isText, on: number, now, into: &out)
        }
        collect()
    }

    static let connected = #"[{"T":"success","msg":"connected"}]"#
    static let authenticated = #"[{"T":"success","msg":"authenticated"}]"#

    static func error(_ code: Int, _ text: String = "a reason") -> String {
        "[{\"T\":\"error\",\"code\":\(code),\"msg\":\"\(text)\"}]"
    }

    /// Opens the connections that are wanted, up to the first request of each. Returns the last.
    @discardableResult
    mutating func connect() -> UInt32 {
        var last: UInt32 = 0
        for case .open(let number, _) in takeWishes() {
            opened(number)
            receive(Self.connected, on: number)
            receive(Self.authenticated, on: number)
            pass(0)
            last = number
        }
        return last
    }

    /// Answers the requests that were sent: the service takes all.
    mutating func confirm(_ lists: String, on number: UInt32) {
        receive("[{\"T\":\"subscription\",\(lists)}]", on: number)
        pass(StreamLimits.requestInterval)
    }

    /// Follows trades of symbols, and has the service confirm them. Returns the connection.
    mutating func begin(
        _ symbols: String..., reached: Timestamp = .undefined, gaps: [OpenGap] = []
    ) -> UInt32 {
        follow(symbols, reached: reached, gaps: gaps)
        let number = connect()
        let names = symbols.map { "\"\($0)\"" }.joined(separator: ",")
        confirm("\"trades\":[\(names)]", on: number)
        return number
    }

    /// A trade as the service writes it.
    func trade(
        _ symbol: String, _ id: UInt64, exchange: String = "V", size: String = "100",
        at time: String? = nil
    ) -> String {
        "{\"T\":\"t\",\"S\":\"\(symbol)\",\"i\":\(id),\"x\":\"\(exchange)\",\"p\":126.55,"
            + "\"s\":\(size),\"c\":[\"@\",\"I\"],\"z\":\"C\",\"t\":\"\(time ?? stamp)\"}"
    }

    func cancel(
        _ symbol: String, _ id: UInt64, exchange: String = "V", size: String = "100"
    ) -> String {
        "{\"T\":\"x\",\"S\":\"\(symbol)\",\"i\":\(id),\"x\":\"\(exchange)\",\"p\":126.55,"
            + "\"s\":\(size),\"a\":\"C\",\"z\":\"C\",\"t\":\"\(stamp)\"}"
    }

    func correction(
        _ symbol: String, _ id: UInt64, to next: UInt64, price: String, exchange: String = "V",
        size: String = "100"
    ) -> String {
        "{\"T\":\"c\",\"S\":\"\(symbol)\",\"x\":\"\(exchange)\",\"oi\":\(id),\"op\":126.55,"
            + "\"os\":\(size),"
            + "\"oc\":[\"@\"],\"ci\":\(next),\"cp\":\(price),\"cs\":40,\"cc\":[\"@\"],"
            + "\"z\":\"C\",\"t\":\"\(stamp)\"}"
    }

    var trades: [Trade] {
        records.compactMap { if case .tape(.trade(let trade)) = $0 { trade } else { nil } }
    }

    var quotes: [Quote] {
        records.compactMap { if case .tape(.quote(let quote)) = $0 { quote } else { nil } }
    }

    var bars: [ProviderBar] {
        records.compactMap { if case .tape(.providerBar(let bar)) = $0 { bar } else { nil } }
    }

    var values: [IndicatorValue] {
        records.compactMap { if case .tape(.indicator(let value)) = $0 { value } else { nil } }
    }

    var headlines: [NewsHeadline] {
        records.compactMap { if case .tape(.news(let news)) = $0 { news } else { nil } }
    }

    var gaps: [GapRecord] {
        records.compactMap { if case .tape(.gap(let gap)) = $0 { gap } else { nil } }
    }

    var repairs: [RepairRequest] {
        records.compactMap { if case .tape(.repair(let repair)) = $0 { repair } else { nil } }
    }

    var subscriptions: [SubscriptionRecord] {
        records.compactMap {
            if case .tape(.subscription(let record)) = $0 { record } else { nil }
        }
    }

    var states: [FeedState.State] {
        records.compactMap { if case .feed(let feed) = $0 { feed.state } else { nil } }
    }
}
