package import EngineKit
package import MarketModel
package import Primitives

/// An engine of a service that streams, with a clock that the test moves.
package struct StreamBench<Engine: StreamVenue> {
    /// 2026-02-23T15:00:00Z, within the hours of US stocks.
    package static var origin: Timestamp { Timestamp(nanoseconds: 1_771_858_800_000_000_000) }
    package static var second: Int64 { 1_000_000_000 }

    package var engine: Engine
    package var out = StreamMachine.Output()
    package var records: [ProviderRecord] = []
    package var wishes: [StreamWish] = []
    package var notes: [StreamNote] = []
    /// Since `origin`, in nanoseconds.
    package var time: Int64
    /// How far the host's clock is ahead of it.
    package var hostAhead: Int64 = 0
    /// Whether the floor moves whenever time passes.
    package var drains: Bool
    /// Answers what is asked, each time that anything happens.
    package var answering: ((inout Self) -> Void)?

    package init(_ engine: Engine, at time: Int64 = 0, drains: Bool = true) {
        self.engine = engine
        self.time = time
        self.drains = drains
    }

    package var now: Moment {
        Moment(
            wall: Self.origin.advanced(byNanoseconds: time + hostAhead),
            monotonic: MonotonicTime(nanoseconds: 1_000_000 + time))
    }

    /// The present time in milliseconds.
    package var stamp: Int64 {
        Self.origin.advanced(byNanoseconds: time).nanoseconds / 1_000_000
    }

    package static func instrument(
        _ symbol: String, _ feeds: Instrument.Feeds = .trades, name: String = "",
        security: Instrument.Security = .stock
    ) -> Instrument {
        var contract = Instrument.Contract(security)
        contract.providerSymbol = name
        guard let symbol = Symbol(symbol) else { preconditionFailure("no symbol: \(symbol)") }
        return Instrument(symbol: symbol, contract: contract, feeds: feeds)
    }

    // MARK: what happens

    /// Changes what is wanted: instruments by their numbers.
    package mutating func follow(
        _ begun: [(UInt32, Instrument)], ended: [UInt32] = [], reached: Timestamp = .undefined,
        last: LastOfHistory? = nil, gaps: [OpenGap] = []
    ) {
        let items = begun.map {
            BegunInstrument(number: $0, instrument: $1, reached: reached, last: last)
        }
        engine.follow(begun: items, ended: ended, gaps: gaps, now, into: &out)
    }

    /// Lets time pass, and does what is due in it.
    package mutating func pass(_ nanoseconds: Int64) {
        time += nanoseconds
        if drains { drain() }
        engine.timePassed(now, into: &out)
        collect()
    }

    package mutating func drain() { engine.drained(now, into: &out) }

    package mutating func collect() {
        records += out.records
        wishes += out.wishes
        notes += out.notes
        out.records.removeAll()
        out.wishes.removeAll()
        out.notes.removeAll()
        answering?(&self)
    }

    package mutating func opened(_ number: UInt32) {
        engine.opened(number, now, into: &out)
        pass(0)
    }

    package mutating func ended(_ number: UInt32, _ why: String = "cut") {
        engine.ended(number, why, now, into: &out)
        collect()
    }

    package mutating func receive(_ text: String, on number: UInt32, isText: Bool = true) {
        receive(Array(text.utf8), on: number, isText: isText)
    }

    package mutating func receive(_ bytes: [UInt8], on number: UInt32, isText: Bool = true) {
        bytes.withRawSpan {
            engine.received($0, isText: isText, on: number, now, into: &out)
        }
        collect()
    }

    package mutating func answer(_ number: UInt64, _ answer: StreamAnswer) {
        engine.answered(number, answer, now, into: &out)
        collect()
    }

    package mutating func stop() {
        engine.stop(now, into: &out)
        collect()
    }

    // MARK: what it wants

    /// Returns the wishes since the last call.
    package mutating func takeWishes() -> [StreamWish] {
        defer { wishes.removeAll() }
        return wishes
    }

    /// Returns the requests that were sent since the last call.
    package mutating func takeRequests() -> [String] {
        takeWishes().compactMap { if case .send(_, let text) = $0 { text } else { nil } }
    }

    /// Returns the requests for past trades since the last call.
    package mutating func takeFetches() -> [StreamFetch] {
        takeWishes().compactMap { if case .fetch(let fetch) = $0 { fetch } else { nil } }
    }

    // MARK: what it left

    /// Returns the records since the last call.
    package mutating func takeRecords() -> [ProviderRecord] {
        defer { records.removeAll() }
        return records
    }

    package var trades: [Trade] {
        records.compactMap { if case .tape(.trade(let trade)) = $0 { trade } else { nil } }
    }

    package var quotes: [Quote] {
        records.compactMap { if case .tape(.quote(let quote)) = $0 { quote } else { nil } }
    }

    package var bars: [ProviderBar] {
        records.compactMap { if case .tape(.providerBar(let bar)) = $0 { bar } else { nil } }
    }

    package var gaps: [GapRecord] {
        records.compactMap { if case .tape(.gap(let gap)) = $0 { gap } else { nil } }
    }

    package var gapStates: [GapState?] { gaps.map { GapState(rawValue: $0.state) } }

    package var subscriptions: [SubscriptionRecord] {
        records.compactMap {
            if case .tape(.subscription(let record)) = $0 { record } else { nil }
        }
    }

    package var states: [FeedState.State] {
        records.compactMap { if case .feed(let feed) = $0 { feed.state } else { nil } }
    }

    /// The reasons that were told, and what else a person may have to look at.
    package var troubles: [String] {
        notes.compactMap {
            switch $0 {
            case .trouble(_, let text): text
            case .lost(_, _, let reason, _), .refused(_, let reason): reason
            default: nil
            }
        }
    }
}
