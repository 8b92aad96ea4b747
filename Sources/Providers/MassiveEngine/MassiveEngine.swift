package import EngineKit
package import MarketModel
package import Primitives

/// Massive's stream of US stocks, as a machine: what happens goes in, and records, wishes and notes
/// come out. It has no clock, no socket and no key. The service's numbers rise and are not dense.
package struct MassiveEngine: FilledVenue {
    let settings: MassiveSettings
    package var machine: StreamMachine
    private var reader: MassiveReader
    /// By feed: the last number of a trade or a quote, or the latest beginning of a bar.
    private var marks: [UInt64] = []
    /// By feed: the last quote.
    private var lastQuotes: [Quote] = []
    private var times: TradeTimes
    private var reread: MassiveReread
    package private(set) var fills: GapFills<MassiveHistoryService>

    package init(_ settings: MassiveSettings) {
        self.settings = settings
        let lag = settings.feed.lag
        machine = StreamMachine(
            settings.stream,
            StreamRules(
                .stocks, perRequest: MassiveLimits.symbolsPerRequest,
                occupiedWait: MassiveLimits.occupiedWait,
                provenAfter: MassiveLimits.provenAfter, barDelay: MassiveLimits.barDelay),
            channels: MassiveChannel.allCases.count, lags: [lag])
        let flags: TickFlags = settings.feed == .delayed ? .delayed : []
        reader = MassiveReader(flags: flags, hidden: settings.stream.hidden)
        times = TradeTimes(count: settings.stream.tradesKept)
        reread = MassiveReread(
            MassiveReread.Settings(
                ages: settings.rereadAges, lag: lag.upperBound, flags: flags,
                seed: settings.stream.seed))
        let past = MassiveHistoryService(
            bars: .minute, requestsPerMinute: MassiveLimits.fillsPerMinute,
            isDelayed: settings.feed == .delayed)
        fills = GapFills(
            past, GapFills.Form(flags, .millisecond), seed: settings.stream.seed)
    }

    // MARK: what is wanted

    /// Changes what is wanted. `gaps` are those that an earlier process left.
    package mutating func follow(
        begun: [BegunInstrument], ended: [UInt32], gaps: [OpenGap] = [], _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        follow(StreamFeeds.Orders(begun: begun, ended: ended, gaps: gaps), now, into: &out)
        while marks.count < machine.feeds.list.count {
            marks.append(0)
            lastQuotes.append(Self.noQuote)
        }
        // All trades that are wanted are read again.
        let since = Dictionary(begun.map { ($0.number, $0.reached) }) { $1 }
        reread.follow(
            machine.feeds.list.enumerated().compactMap { place, feed in
                guard feed.isWanted, feed.kind == .trade else { return nil }
                let symbol = MassiveReread.Symbol(
                    feed: place, instrument: feed.instrument, name: feed.name)
                return (symbol, since[feed.instrument] ?? .undefined)
            }, now.wall)
    }

    private static let noQuote = Quote(
        header: TickHeader(symbol: 0, providerTime: .undefined, receiveTime: .undefined),
        bidPrice: .undefined, bidSize: .undefined, askPrice: .undefined, askSize: .undefined)

    package func plan(of instrument: Instrument) -> StreamPlan {
        let name = Self.name(of: instrument)
        let channels = MassiveChannel.all(of: instrument.feeds, settings.bars)
        let known: Instrument.Feeds = [.level1, .trades, .allTrades, .quotes, .bars]
        var plan = StreamPlan(
            name: name, channels: channels.map { $0.stream(settings) },
            absent: instrument.feeds.isSubset(of: known)
                ? "" : "only its trades, quotes and bars come from here")
        if instrument.contract.security != .stock {
            plan.problem = "only stocks come from here: security: stock"
        } else if channels.isEmpty {
            plan.problem = "only trades, quotes and bars come from here, as feeds: trades"
        } else {
            plan.problem = Self.problem(ofName: name)
        }
        return plan
    }

    /// The service's symbol of an instrument. It tells `BACpA` from `BACPA`.
    static func name(of instrument: Instrument) -> String {
        let own = instrument.contract.providerSymbol
        return own.isEmpty ? instrument.symbol.text : own
    }

    /// Returns why a name is no symbol of the service; `nil`: it may be one.
    static func problem(ofName name: String) -> String? {
        (1...StreamLimits.symbolBytesMax).contains(name.utf8.count)
            && name.utf8.allSatisfy(isOfName)
            ? nil : "'\(name)' is no symbol of Massive: write it like AAPL or BRK.A"
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte)
            || (0x61...0x7a).contains(byte) || "./-".utf8.contains(byte)
    }

    // MARK: messages

    /// A frame came on a connection.
    package mutating func received(
        _ bytes: RawSpan, isText: Bool, on number: UInt32, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        guard let link = machine.link(number) else { return }
        machine.beginFrame(link)
        guard isText, reader.begin(bytes) else { return machine.broken(link, now, into: &out) }
        var isBroken = false
        while let message = reader.next(
            bytes, received: now.wall, machine.feeds.places, isBroken: &isBroken)
        {
            machine.note(reader.time, on: link)
            take(message, now, into: &out)
            // An answer may have ended the connection.
            if case .control = message, !machine.isPresent(number, on: link) { return }
        }
        machine.endFrame(link, now, into: &out)
        if isBroken { machine.broken(link, now, into: &out) }
    }

    @inline(__always)
    private mutating func take(
        _ message: StreamMessage, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        switch message {
        case .trade(let feed, let trade): take(trade, of: feed, now, into: &out)
        case .quote(let feed, let quote): take(quote, of: feed, now, into: &out)
        case .beside:
            switch reader.beside {
            case .none: break
            case .bar(let feed, let bar): take(bar, of: feed, now, into: &out)
            case .misfit(let feed, let time, let text):
                machine.misfit(text, at: time, of: feed, now, into: &out)
            }
        case .control: take(reader.control, now, into: &out)
        case .skipped(let reason): machine.skip(reason, into: &out)
        }
    }

    private mutating func take(
        _ trade: Trade, of feed: Int, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        guard machine.isExpected(feed, now, into: &out) else { return }
        let (time, number) = (trade.header.providerTime, trade.header.providerID)
        if number != 0 {
            guard times.time(of: number, of: feed) != time else {
                return machine.skip(.double, into: &out)
            }
            order(number, of: feed)
        }
        machine.deliver(trade, of: feed, now, into: &out)
        if number != 0 { times.keep(number, of: feed, time) }
    }

    private mutating func take(
        _ quote: Quote, of feed: Int, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        guard machine.isExpected(feed, now, into: &out) else { return }
        let number = quote.header.providerID
        if number != 0 {
            let isSame = MassiveCodes.place(number) == marks[feed] && same(quote, lastQuotes[feed])
            guard !isSame else { return machine.skip(.double, into: &out) }
            order(number, of: feed)
            lastQuotes[feed] = quote
        }
        machine.deliver(quote, of: feed, now, into: &out)
    }

    /// Whether the service says the same of both.
    @inline(__always)
    private func same(_ one: Quote, _ other: Quote) -> Bool {
        one.header.providerTime == other.header.providerTime && one.bidPrice == other.bidPrice
            && one.bidSize == other.bidSize && one.askPrice == other.askPrice
            && one.askSize == other.askSize
    }

    /// Counts a number that falls.
    @inline(__always)
    private mutating func order(_ number: UInt64, of feed: Int) {
        let place = MassiveCodes.place(number)
        if place >= marks[feed] {
            marks[feed] = place
        } else {
            machine.counters.ids.unordered &+= 1
        }
    }

    /// A bar of a window that has one already replaces it: late trades came. It is flagged, so that
    /// operators take it in, however late it is. So is a first bar behind the watermark, whose
    /// window may be closed.
    private mutating func take(
        _ bar: ProviderBar, of feed: Int, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        guard machine.isExpected(feed, now, into: &out) else { return }
        var bar = bar
        let begin = UInt64(bar.openTime.nanoseconds)
        // After a start it is not known what was sent before; then the time tells.
        let sent = bar.closeTime.advanced(
            byNanoseconds: settings.feed.lag.upperBound + MassiveLimits.barsSentWithin)
        let isBehind = machine.floor.isDefined && bar.closeTime < machine.floor
        if begin <= marks[feed] || isBehind || sent < now.wall { bar.flags.insert(.revised) }
        marks[feed] = max(marks[feed], begin)
        machine.deliver(bar, of: feed, now, into: &out)
    }

    // MARK: time

    /// Does what is due.
    package mutating func timePassed(_ now: Moment, into out: inout StreamMachine.Output) {
        guard !machine.isStopped else { return }
        serveAndFill(now, into: &out)
        if let fetch = reread.timePassed(now) { out.wishes.append(.fetch(fetch)) }
    }

    /// A request for past trades has an answer, or will have none.
    package mutating func answered(
        _ number: UInt64, _ answer: StreamAnswer, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        guard !fill(number, answer, now, into: &out) else { return }
        if let note = reread.answered(number, answer, now, into: &out.records) { out.note(note) }
    }

    package mutating func withFills<Result>(
        _ body: (inout GapFills<MassiveHistoryService>, inout StreamMachine) -> Result
    ) -> Result { body(&fills, &machine) }

    package mutating func fetched(_ trade: Trade, of feed: Int) {
        times.keep(trade.header.providerID, of: feed, trade.header.providerTime)
    }

    package var status: StreamShown {
        var status = machine.status
        status.fills = fills.count
        status.counters.past = reread.counters
        status.reread = reread.status
        return status
    }

    package func limits(_ now: MonotonicTime) -> [ProviderLimit] {
        machine.limits(now)
            + [reread.limit(now), machine.settings.fills ? fills.limit(now) : nil]
            .compactMap(\.self)
    }
}

// What the service says of the connection, and what it is asked for. Each word of a request, as
// `T.AAPL`, has an answer.
extension MassiveEngine {
    /// The only one.
    private static let link = 0

    private var request: StreamRequest? {
        get { machine.links[Self.link].asking.request }
        set { machine.links[Self.link].asking.request = newValue }
    }

    mutating func take(
        _ control: MassiveControl, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        switch control {
        case .connected: machine.greeted(Self.link, now, into: &out)
        case .authenticated: machine.authenticated(Self.link, now, into: &out)
        case .refusedAccount(let text): refusedAccount(text, now, into: &out)
        case .occupied(let text):
            machine.giveUp(
                Self.link, "the service says: \(text): \(StreamAdvice.occupied)", .occupied, now,
                into: &out)
        case .subscribed(let words): subscribed(words, now, into: &out)
        case .unsubscribed(let words): unsubscribed(words, now, into: &out)
        case .error(let text):
            if machine.links[Self.link].state == .ready {
                return refusedRequest(text, now, into: &out)
            }
            refusedAccount(text.shownOnLine(StreamLimits.textCharactersMax), now, into: &out)
        case .other(let word, let text):
            machine.counters.skip(.unknown)
            let text = "\(word): \(text)"
            if let advice = MassiveAdvice.ofEnd[word] {
                machine.links[Self.link].lastSaid = "the service says: \(text): \(advice)"
            }
            out.note(.trouble(instrument: nil, "Massive says: \(text)"))
        }
    }

    private mutating func refusedAccount(
        _ text: String, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        machine.refusedAccount(
            Self.link, "the service says: \(text): \(MassiveAdvice.ofAccount)", now, into: &out)
    }

    package func name(of feed: StreamFeed) -> String { MassiveChannel.word(feed) }

    package func text(of request: StreamRequest) -> String {
        let words = request.feeds.map { MassiveChannel.word(machine.feeds.list[$0]) }
        return JSONWriter.made { json in
            json.member("action", request.isSubscribing ? "subscribe" : "unsubscribe")
            json.member("params", words.joined(separator: ","))
        }.text
    }

    /// Returns the feed of a word; `nil`: it was never asked for.
    private func feed(_ word: String) -> Int? {
        guard let dot = word.firstIndex(of: "."),
            let channel = MassiveChannel.named(word[..<dot])
        else { return nil }
        return machine.feeds.places.feed(
            String(word[word.index(after: dot)...]), channel.number)
    }

    /// Takes feeds out of the request that waits for their answers.
    private mutating func answered(_ known: [Int]) {
        guard let request else { return }
        let rest = request.feeds.filter { !known.contains($0) }
        self.request?.feeds = rest
        if rest.isEmpty { self.request = nil }
    }

    private mutating func subscribed(
        _ words: [String], _ now: Moment, into out: inout StreamMachine.Output
    ) {
        guard machine.links[Self.link].state == .ready else { return }
        let known = words.compactMap { feed($0) }
        for place in known where machine.feeds.list[place].standing.isAsked {
            machine.feeds.list[place].standing.isConfirmed = true
            // The service says only after this that another session is there.
            guard machine.feeds.list[place].isWanted, !machine.links[Self.link].isOccupied else {
                continue
            }
            machine.feeds.confirm(place, now, into: &out.records)
        }
        answered(known)
    }

    /// The service has not answered all words of a request. It is silent about a channel that it
    /// does not have, so those words are refused if it said anything since.
    package mutating func unanswered(
        on link: Int, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        guard let request else { return }
        // Nothing may have been subscribed to, and then nothing is said.
        guard request.isSubscribing else { return self.request = nil }
        guard request.isHeard else {
            return machine.giveUp(link, "a request has no answer", .failed, now, into: &out)
        }
        self.request = nil
        let why =
            request.refusal.isEmpty
            ? "the service does not answer to it: \(MassiveAdvice.ofRequest)" : request.refusal
        // What came shows that it is delivered, without an answer.
        for place in request.feeds where !machine.feeds.list[place].standing.isConfirmed {
            refuse(place, why, now, into: &out)
            // An answer that is late, or a record, shows that it is delivered.
            machine.feeds.list[place].standing.isAsked = true
        }
    }

    /// The service refuses a word of a request, or several. If it names none, those are refused
    /// that it does not confirm meanwhile.
    private mutating func refusedRequest(
        _ text: String, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        let shown = text.shownOnLine(StreamLimits.textCharactersMax)
        let why = "the service says: \(shown): \(MassiveAdvice.ofRequest)"
        machine.counters.links.refusedRequests &+= 1
        out.note(.refusedRequest(reason: why))
        guard let request, request.isSubscribing else { return }
        let words = Set(text.split { $0 == " " || $0 == "," || $0 == ":" }.map(String.init))
        let named = request.feeds.filter {
            words.contains(MassiveChannel.word(machine.feeds.list[$0]))
        }
        for place in named { refuse(place, why, now, into: &out) }
        if named.isEmpty {
            self.request?.refusal = why
            machine.links[Self.link].due = min(
                machine.links[Self.link].due, now.monotonic + MassiveLimits.refusalAfter)
        }
        answered(named)
    }

    /// The service confirms that words are no longer subscribed to.
    private mutating func unsubscribed(
        _ words: [String], _ now: Moment, into out: inout StreamMachine.Output
    ) {
        let known = words.compactMap { feed($0) }
        for place in known where machine.feeds.list[place].isWanted {
            // It is wanted again meanwhile, and was confirmed by a record on its way.
            machine.feeds.endDelivery(
                LinkedFeed(place, on: Self.link), .providerLoss, "it was unsubscribed", now,
                into: &out.records)
            machine.links[Self.link].asking.isBehind = true
        }
        answered(known)
    }
}

/// What a person can do about what the service refuses.
enum MassiveAdvice {
    static let ofAccount =
        "check MASSIVE_API_KEY and the plan, and set MASSIVE_FEED=delayed for a delayed one"
    static let ofRequest =
        "check the symbol, remove this kind of data, or choose a plan that has it"
    /// By the status before a connection ends.
    static let ofEnd = [
        "auth_timeout": StreamAdvice.late,
        "slow_consumer": StreamAdvice.slow,
        "force_disconnect": "it is connected again by itself",
    ]
}
