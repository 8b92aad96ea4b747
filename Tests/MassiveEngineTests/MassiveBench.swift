import EngineKit
import MarketModel
import Primitives

@testable import MassiveEngine

/// An engine with a clock that the test moves.
struct MassiveBench {
    static let second: Int64 = 1_000_000_000
    static let minute: Int64 = 60 * second
    /// 2026-02-23T15:00:00Z.
    static let origin = Timestamp(nanoseconds: 1_771_858_800_000_000_000)

    var engine: MassiveEngine
    var out = StreamMachine.Output()
    var records: [ProviderRecord] = []
    var wishes: [StreamWish] = []
    var notes: [StreamNote] = []
    /// Since `origin`, in nanoseconds.
    var time: Int64 = 0
    /// How far the host's clock is ahead of it.
    var hostAhead: Int64 = 0

    init(
        _ feed: MassiveFeedName = .realTime, at time: Int64 = 0,
        _ change: (inout MassiveSettings) -> Void = { _ in }
    ) {
        var settings = MassiveSettings(feed, seed: 1)
        settings.stream.tradesKept = 8_192
        change(&settings)
        engine = MassiveEngine(settings)
        self.time = time
    }

    var now: Moment {
        Moment(
            wall: Self.origin.advanced(byNanoseconds: time + hostAhead),
            monotonic: MonotonicTime(nanoseconds: 1_000_000 + time))
    }

    /// The present time as the service writes it, in milliseconds.
    var stamp: Int64 { Self.origin.advanced(byNanoseconds: time).nanoseconds / 1_000_000 }

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
        _ symbols: [String], _ feeds: Instrument.Feeds = .trades, ended: [UInt32] = [],
        reached: Timestamp = .undefined, gaps: [OpenGap] = []
    ) {
        let begun = symbols.enumerated().map { number, symbol in
            BegunInstrument(
                number: UInt32(number), instrument: Self.instrument(symbol, feeds),
                reached: reached)
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

    /// Returns the requests for past trades since the last call.
    mutating func takeFetches() -> [StreamFetch] {
        takeWishes().compactMap { if case .fetch(let fetch) = $0 { fetch } else { nil } }
    }

    mutating func answer(_ number: UInt64, _ answer: StreamAnswer) {
        engine.answered(number, answer, now, into: &out)
        collect()
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
        Array(text.utf8).withRawSpan {
            engine.received($0, isText: isText, on: number, now, into: &out)
        }
        collect()
    }

    mutating func stop() {
        engine.stop(now, into: &out)
        collect()
    }

    // The texts of the service, as a session of 2026-09 had them.
    static let connected = status("connected", "Connected Successfully")
    static let authenticated = status("auth_success", "authenticated")
    static let occupied = status(
        "max_connections", "Maximum number of websocket connections exceeded.")

    static func status(_ status: String, _ message: String) -> String {
        "[{\"ev\":\"status\",\"status\":\"\(status)\",\"message\":\"\(message)\"}]"
    }

    static func subscribed(_ words: String...) -> String {
        "["
            + words.map {
                "{\"ev\":\"status\",\"status\":\"success\",\"message\":\"subscribed to: \($0)\"}"
            }.joined(separator: ",") + "]"
    }

    /// Opens the connection that is wanted, up to its first request. Returns its number.
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

    /// Answers the words of the requests that were sent: the service takes all. Returns them.
    @discardableResult
    mutating func confirm(on number: UInt32) -> [String] {
        var all: [String] = []
        for request in takeRequests() {
            let parsed = try? JSONValue.parse(request)
            let verb = parsed?["action"]?.string == "subscribe" ? "subscribed" : "unsubscribed"
            let words = parsed?["params"]?.string?.split(separator: ",").map(String.init) ?? []
            for word in words {
                receive(Self.status("success", "\(verb) to: \(word)"), on: number)
            }
            all += words
        }
        pass(StreamLimits.requestInterval)
        return all
    }

    /// Follows symbols, and has the service confirm them. Returns the connection.
    mutating func begin(
        _ symbols: String..., feeds: Instrument.Feeds = .trades,
        reached: Timestamp = .undefined, gaps: [OpenGap] = []
    ) -> UInt32 {
        follow(symbols, feeds, reached: reached, gaps: gaps)
        let number = connect()
        confirm(on: number)
        return number
    }

    /// What the number on the tape of such a trade has of its id.
    static let mark = mark(of: "12345")

    /// Returns what tells a trade with this id from another one of its number.
    static func mark(of id: String) -> UInt64 {
        id.utf8.reduce(0 as UInt64) { $0 * 10 + UInt64($1) } & 0xff
    }

    /// A trade as the service writes it.
    func trade(
        _ symbol: String, _ number: UInt64, id: String = "12345", size: String = "100",
        at time: Int64? = nil
    ) -> String {
        "{\"ev\":\"T\",\"sym\":\"\(symbol)\",\"x\":4,\"i\":\"\(id)\",\"z\":3,\"p\":114.125,"
            + "\"s\":\(size),\"c\":[0,12],\"t\":\(time ?? stamp),\"q\":\(number)}"
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

    var gaps: [GapRecord] {
        records.compactMap { if case .tape(.gap(let gap)) = $0 { gap } else { nil } }
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
