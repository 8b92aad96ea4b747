package import EngineKit
package import MarketModel
package import Primitives

extension SeededRandom {
    /// Returns a message of which up to three bytes are changed or left out.
    package mutating func damaged(_ message: [UInt8]) -> [UInt8] {
        var bytes = message
        for _ in 0..<Int.random(in: 0...3, using: &self) where !bytes.isEmpty {
            let place = Int.random(in: bytes.indices, using: &self)
            if Bool.random(using: &self) {
                bytes[place] = UInt8.random(in: 0x20...0x7e, using: &self)
            } else {
                bytes.remove(at: place)
            }
        }
        return bytes
    }
}

/// What has come out of a process, for the tape.
package protocol RecordsBench {
    var records: [ProviderRecord] { get set }
}

extension RecordsBench {
    /// Returns the records since the last call.
    package mutating func takeRecords() -> [ProviderRecord] {
        defer { records.removeAll() }
        return records
    }

    private func taped<Record>(_ read: (TapeRecord) -> Record?) -> [Record] {
        records.compactMap { if case .tape(let record) = $0 { read(record) } else { nil } }
    }

    package var trades: [Trade] {
        taped { if case .trade(let trade) = $0 { trade } else { nil } }
    }

    package var quotes: [Quote] {
        taped { if case .quote(let quote) = $0 { quote } else { nil } }
    }

    package var bars: [ProviderBar] {
        taped { if case .providerBar(let bar) = $0 { bar } else { nil } }
    }

    package var values: [IndicatorValue] {
        taped { if case .indicator(let value) = $0 { value } else { nil } }
    }

    package var headlines: [NewsHeadline] {
        taped { if case .news(let news) = $0 { news } else { nil } }
    }

    package var gaps: [GapRecord] {
        taped { if case .gap(let gap) = $0 { gap } else { nil } }
    }

    package var repairs: [RepairRequest] {
        taped { if case .repair(let repair) = $0 { repair } else { nil } }
    }

    package var subscriptions: [SubscriptionRecord] {
        taped { if case .subscription(let record) = $0 { record } else { nil } }
    }

    package var states: [FeedState.State] {
        records.compactMap { if case .feed(let feed) = $0 { feed.state } else { nil } }
    }
}

/// What an engine that streams wants of its connections, too.
package protocol WishingBench: RecordsBench {
    var wishes: [StreamWish] { get set }
}

extension WishingBench {
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
}

/// An engine with a clock that the test moves.
package protocol MachineBench: WishingBench {
    associatedtype Engine: StreamVenue

    var engine: Engine { get set }
    var out: StreamMachine.Output { get set }
    var notes: [StreamNote] { get set }
    /// Since `origin`, in nanoseconds.
    var time: Int64 { get set }
    /// How far the host's clock is ahead of it.
    var hostAhead: Int64 { get set }

    /// Lets time pass, and does what is due in it.
    mutating func pass(_ nanoseconds: Int64)
    /// Keeps what came out, and answers what the bench has to answer.
    mutating func collect()
}

extension MachineBench {
    /// 2026-02-23T15:00:00Z, within the hours of US stocks.
    package static var origin: Timestamp { Timestamp(nanoseconds: 1_771_858_800_000_000_000) }

    package var now: Moment {
        Moment(
            wall: Self.origin.advanced(byNanoseconds: time + hostAhead),
            monotonic: MonotonicTime(nanoseconds: 1_000_000 + time))
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

    package mutating func collect() { keep() }

    /// Keeps what came out, and answers nothing.
    package mutating func keep() {
        records += out.records
        wishes += out.wishes
        notes += out.notes
        out.records.removeAll()
        out.wishes.removeAll()
        out.notes.removeAll()
    }

    /// Tells the engine something.
    package mutating func tell(
        _ body: (inout Engine, Moment, inout StreamMachine.Output) -> Void
    ) {
        var present = out
        let now = now
        body(&engine, now, &present)
        out = present
    }

    package mutating func opened(_ number: UInt32) {
        tell { $0.opened(number, $1, into: &$2) }
        pass(0)
    }

    package mutating func ended(_ number: UInt32, _ why: String = "cut") {
        tell { $0.ended(number, why, $1, into: &$2) }
        collect()
    }

    package mutating func receive(_ text: String, on number: UInt32, isText: Bool = true) {
        receive(Array(text.utf8), on: number, isText: isText)
    }

    package mutating func receive(_ bytes: [UInt8], on number: UInt32, isText: Bool = true) {
        tell { engine, now, out in
            bytes.withRawSpan {
                engine.received($0, isText: isText, on: number, now, into: &out)
            }
        }
        collect()
    }

    package mutating func answer(_ number: UInt64, _ answer: StreamAnswer) {
        tell { $0.answered(number, answer, $1, into: &$2) }
        collect()
    }

    package mutating func stop() {
        tell { $0.stop($1, into: &$2) }
        collect()
    }
}

/// A bench whose test answers for the service.
package struct StreamBench<Engine: StreamVenue>: MachineBench {
    package var engine: Engine
    package var out = StreamMachine.Output()
    package var records: [ProviderRecord] = []
    package var wishes: [StreamWish] = []
    package var notes: [StreamNote] = []
    package var time: Int64 = 0
    package var hostAhead: Int64 = 0
    /// Answers what is asked, each time that anything happens.
    package var answering: ((inout Self) -> Void)?

    package init(_ engine: Engine) { self.engine = engine }

    /// The present time in milliseconds.
    package var stamp: Int64 {
        Self.origin.advanced(byNanoseconds: time).nanoseconds / 1_000_000
    }

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

    package mutating func pass(_ nanoseconds: Int64) {
        time += nanoseconds
        engine.timePassed(now, into: &out)
        collect()
    }

    /// All that had arrived was handed over.
    package mutating func drain() { engine.drained(now, into: &out) }

    package mutating func collect() {
        keep()
        answering?(&self)
    }

    package var gapStates: [GapState?] { gaps.map { GapState(rawValue: $0.state) } }

    /// The reasons that were reported, and what else a person may have to look at.
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
