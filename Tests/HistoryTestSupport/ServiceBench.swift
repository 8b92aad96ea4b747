package import EngineKit
package import MarketModel
package import Primitives

/// What a service says, as a bench needs it.
package protocol VenueWords {
    associatedtype Venue: StreamVenue

    /// What it says first, and when it takes the key.
    static var connected: String { get }
    static var authenticated: String { get }
    /// Returns a trade as it says it. All trades of a bench have one price.
    static func trade(_ symbol: String, _ number: UInt64, size: String, at time: Timestamp)
        -> String
    /// Returns what it answers to a request of which it takes all. `subscribed`: the symbols of
    /// each channel, which it changes.
    static func answers(to request: String, _ subscribed: inout [String: [String]]) -> [String]
    /// Returns what a request names: its channels of symbols, or its symbols.
    static func words(of request: String) -> [String]
    /// Returns its words for not taking the key, and for another session.
    static var refusedKey: String { get }
    static var occupied: String { get }
    /// Returns what it says when it refuses trades of a symbol.
    static func refusal(of symbol: String) -> String
    /// Returns an engine of it. `change` changes its settings.
    static func venue(_ change: (inout StreamSettings) -> Void) -> Venue
    /// Returns a page of a past of one symbol, and the span and the page that a request asks for.
    static func page(_ events: [PastEvent], next: String) -> [UInt8]
    static func asked(_ query: PastQuery) -> (span: Range<Timestamp>?, page: String)?
}

/// A trade of the one symbol of a simulated past.
package struct PastEvent {
    package let id: UInt64
    package let time: Timestamp
}

/// An engine with a clock that the test moves, whatever its service.
package protocol ServiceEngineBench: WishingBench {
    var notes: [StreamNote] { get }
    var out: StreamMachine.Output { get }
    /// True time since `origin`, in nanoseconds.
    var time: Int64 { get set }
    /// How far the host's clock is ahead of it.
    var hostAhead: Int64 { get set }
    var now: Moment { get }
    var status: StreamShown { get }
    var nextDue: MonotonicTime { get }
    var limits: [ProviderLimit] { get }
    static var origin: Timestamp { get }

    /// Follows instruments, whose numbers are their places.
    mutating func follow(
        _ symbols: [String], _ feeds: Instrument.Feeds, security: Instrument.Security,
        ended: [UInt32], reached: Timestamp, gaps: [OpenGap])
    /// Follows an instrument.
    mutating func follow(_ instrument: Instrument, as number: UInt32)
    /// Lets time pass, and does what is due in it.
    mutating func pass(_ nanoseconds: Int64)
    /// A connection that was wanted is open; it has ended.
    mutating func opened(_ number: UInt32)
    mutating func ended(_ number: UInt32, _ why: String)
    mutating func receive(_ text: String, on number: UInt32, isText: Bool)
    /// What became of a request for the past.
    mutating func answer(_ number: UInt64, _ answer: StreamAnswer)
    mutating func stop()
    /// Keeps what came out.
    mutating func collect()
    /// Opens the connections that are wanted, up to the first request of each. Returns the last.
    mutating func connect() -> UInt32
    /// Answers the requests that were sent: the service takes all. Returns what they named.
    mutating func confirm(on number: UInt32) -> [String]
    /// Returns a message with a trade.
    func trade(_ symbol: String, _ number: UInt64, size: String, at time: Timestamp) -> String
}

/// A bench of a service's engine.
package struct ServiceBench<Words: VenueWords>: ServiceEngineBench, MachineBench {
    package static var second: Int64 { 1_000_000_000 }
    package static var minute: Int64 { 60 * second }
    package static var connected: String { Words.connected }
    package static var authenticated: String { Words.authenticated }

    package var engine: Words.Venue
    package var out = StreamMachine.Output()
    package var records: [ProviderRecord] = []
    package var wishes: [StreamWish] = []
    package var notes: [StreamNote] = []
    package var time: Int64
    package var hostAhead: Int64 = 0
    private var subscribed: [String: [String]] = [:]

    package init(_ venue: Words.Venue, at time: Int64 = 0) {
        engine = venue
        self.time = time
    }

    /// The present by the service's clock.
    package var present: Timestamp { Self.origin.advanced(byNanoseconds: time) }
    package var status: StreamShown { engine.status }
    package var nextDue: MonotonicTime { engine.nextDue }
    package var limits: [ProviderLimit] { engine.limits(now.monotonic) }

    package mutating func follow(
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

    package mutating func follow(_ instrument: Instrument, as number: UInt32) {
        let begun = BegunInstrument(number: number, instrument: instrument, reached: .undefined)
        engine.follow(begun: [begun], ended: [], gaps: [], now, into: &out)
        pass(0)
    }

    package mutating func pass(_ nanoseconds: Int64) {
        time += nanoseconds
        engine.drained(now, into: &out)
        engine.timePassed(now, into: &out)
        collect()
    }

    @discardableResult
    package mutating func connect() -> UInt32 {
        var last: UInt32 = 0
        for case .open(let number, _) in takeWishes() {
            opened(number)
            receive(Words.connected, on: number)
            receive(Words.authenticated, on: number)
            pass(0)
            last = number
        }
        subscribed = [:]
        return last
    }

    @discardableResult
    package mutating func confirm(on number: UInt32) -> [String] {
        let requests = takeRequests()
        for request in requests {
            for text in Words.answers(to: request, &subscribed) { receive(text, on: number) }
        }
        pass(StreamLimits.requestInterval)
        return requests.flatMap(Words.words)
    }

    package func trade(
        _ symbol: String, _ number: UInt64, size: String, at time: Timestamp
    ) -> String { Words.trade(symbol, number, size: size, at: time) }
}

extension ServiceEngineBench {
    package mutating func follow(
        _ symbols: [String], _ feeds: Instrument.Feeds = .trades, ended: [UInt32] = []
    ) {
        follow(
            symbols, feeds, security: .stock, ended: ended, reached: .undefined, gaps: [])
    }

    /// Follows symbols, and has the service confirm them. Returns the connection.
    package mutating func begin(
        _ symbols: String..., feeds: Instrument.Feeds = .trades, reached: Timestamp = .undefined,
        gaps: [OpenGap] = []
    ) -> UInt32 {
        follow(symbols, feeds, security: .stock, ended: [], reached: reached, gaps: gaps)
        let number = connect()
        _ = confirm(on: number)
        return number
    }

    /// A trade comes, which happens now.
    package mutating func deliver(_ symbol: String, _ number: UInt64, on connection: UInt32) {
        let time = Self.origin.advanced(byNanoseconds: time)
        receive(
            "[\(trade(symbol, number, size: "\(number)", at: time))]", on: connection, isText: true)
    }

    /// Ten trades of a symbol come in each second.
    package mutating func deliver(
        _ symbol: String, seconds: Int64, from first: UInt64 = 1, on connection: UInt32
    ) {
        for number in first..<first + UInt64(seconds) * 10 {
            deliver(symbol, number, on: connection)
            pass(100_000_000)
        }
    }

    /// Passes time by seconds.
    package mutating func pass(seconds: Int64) {
        for _ in 0..<seconds { pass(1_000_000_000) }
    }
}

extension ServiceBench: FaultBench {
    package static var greetings: (first: [String], authenticated: [String]) {
        ([Words.connected], [Words.authenticated])
    }

    package mutating func takeFaultWishes() -> [FaultWish] {
        takeWishes().map { wish in
            switch wish {
            case .open(let number, _): .open(number)
            case .authenticate(let number): .authenticate(number)
            case .send(let number, let text): .send(number, text)
            case .close(let number): .close(number)
            case .fetch(let fetch): .fetch(fetch)
            }
        }
    }

    package mutating func turn() { pass(0) }

    package func answers(to request: String) -> (texts: [String], isBegin: Bool) {
        var subscribed: [String: [String]] = [:]
        return (Words.answers(to: request, &subscribed), request.contains("AAPL"))
    }

    /// Each trade has a size of its own.
    package func event(_ id: UInt64) -> String {
        "[\(Words.trade("AAPL", id, size: "\(id)", at: present))]"
    }

    package static func event(of record: TapeRecord) -> (id: UInt64, time: Timestamp)? {
        guard case .trade(let trade) = record else { return nil }
        return (UInt64(trade.size.raw / 100_000_000), trade.header.providerTime)
    }

    package func next(gaps: [OpenGap]) -> Self { next(gaps: gaps, reached: .undefined) }

    package func next(gaps: [OpenGap], reached: Timestamp) -> Self {
        let settings = engine.machine.settings
        var next = Self(Words.venue { $0 = settings }, at: time)
        next.hostAhead = hostAhead
        next.follow(["AAPL"], reached: reached, gaps: gaps)
        return next
    }

    package func page(_ events: [PastEvent], next: String) -> [UInt8] {
        Words.page(events, next: next)
    }

    package func asked(_ query: PastQuery) -> (span: Range<Timestamp>?, page: String)? {
        Words.asked(query)
    }
}
