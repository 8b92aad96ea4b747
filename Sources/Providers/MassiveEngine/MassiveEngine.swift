package import EngineKit
package import MarketModel
package import Primitives

/// Massive's stream of US stocks, as a machine: what happens goes in, and records, wishes and notes
/// come out. It has no clock, no socket and no key.
///
/// The service's numbers rise and are not dense, so what is missing is known by time alone: a lost
/// connection opens a gap of each feed, from the time up to which all had come until the service
/// has confirmed the next subscription.
package struct MassiveEngine: StreamEngine {
    let settings: MassiveSettings
    var feeds: StreamFeeds
    var reader: MassiveReader
    var link: MassiveLink
    /// By feed: the last number of a trade or a quote, or the latest beginning of a bar.
    var marks: [UInt64] = []
    /// By feed: the last quote.
    var lastQuotes: [Quote] = []
    var times: TradeTimes
    var reread: MassiveReread
    /// Whether bars are wanted, which come later than trades of their time.
    private var hasBars = false
    private var state = StreamState.closed
    package internal(set) var counters = MassiveCounters()
    private var isStopped = false

    package init(_ settings: MassiveSettings) {
        self.settings = settings
        let lag = settings.feed.lag
        feeds = StreamFeeds(
            StreamFeeds.Settings(
                provider: settings.provider, delayMax: settings.delayMax,
                silentAfter: settings.silentAfter, hours: .stocks),
            channels: MassiveChannel.allCases.count,
            clock: ServerClock(behind: 5_000_000_000 + lag.upperBound - lag.lowerBound))
        reader = MassiveReader(
            flags: settings.feed == .delayed ? .delayed : [], hidden: settings.hidden)
        link = MassiveLink(settings)
        times = TradeTimes(count: settings.tradesKept)
        reread = MassiveReread(
            MassiveReread.Settings(
                ages: settings.rereadAges, lag: lag.upperBound,
                flags: settings.feed == .delayed ? .delayed : [], seed: settings.seed))
    }

    /// The promise of `MassiveOutput.floor`.
    var floor: Timestamp { feeds.clock.floor }

    // MARK: what is wanted

    /// Changes what is wanted. `gaps` are those that an earlier process left.
    package mutating func follow(
        begun: [BegunInstrument], ended: [UInt32], gaps: [OpenGap] = [], _ now: Moment,
        into out: inout MassiveOutput
    ) {
        let settings = settings
        let refusals = feeds.follow(
            StreamFeeds.Orders(begun: begun, ended: ended, gaps: gaps), now, into: &out.records
        ) { Self.plan($0.instrument, settings) }
        for refusal in refusals {
            out.note(.refused(instrument: refusal.instrument, reason: refusal.reason))
        }
        while marks.count < feeds.list.count {
            marks.append(0)
            lastQuotes.append(Self.noQuote)
        }
        hasBars = feeds.list.contains { $0.isWanted && $0.kind == .providerBar }
        link.isWanted = feeds.isWanted(link: 0)
        link.asking.isBehind = true
        followReread(begun, now)
    }

    private static let noQuote = Quote(
        header: TickHeader(symbol: 0, providerTime: .undefined, receiveTime: .undefined),
        bidPrice: .undefined, bidSize: .undefined, askPrice: .undefined, askSize: .undefined)

    private static func plan(
        _ instrument: Instrument, _ settings: MassiveSettings
    ) -> StreamPlan {
        let name = name(of: instrument)
        let channels = MassiveChannel.all(of: instrument.feeds, settings.bars)
        let known: Instrument.Feeds = [.level1, .trades, .allTrades, .quotes, .bars]
        let plan = StreamPlan(
            name: name, channels: channels.map { $0.stream(settings.feed) },
            absent: instrument.feeds.isSubset(of: known)
                ? "" : "only its trades, quotes and bars come from here")
        func refused(_ problem: String) -> StreamPlan {
            var refused = plan
            refused.problem = problem
            return refused
        }
        guard instrument.contract.security == .stock else {
            return refused("only stocks come from here: security: stock")
        }
        guard !channels.isEmpty else {
            return refused("only trades, quotes and bars come from here, as feeds: trades")
        }
        return problem(ofName: name).map(refused) ?? plan
    }

    /// The service's symbol of an instrument. It tells `BACpA` from `BACPA`.
    static func name(of instrument: Instrument) -> String {
        let own = instrument.contract.providerSymbol
        return own.isEmpty ? instrument.symbol.text : own
    }

    /// Returns why a name is no symbol of the service; `nil`: it may be one.
    static func problem(ofName name: String) -> String? {
        (1...MassiveLimits.symbolBytesMax).contains(name.utf8.count)
            && name.utf8.allSatisfy(isOfName)
            ? nil : "'\(name)' is no symbol of Massive: write it like AAPL or BRK.A"
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte)
            || (0x61...0x7a).contains(byte) || "./-".utf8.contains(byte)
    }

    /// All trades that are wanted are read again.
    private mutating func followReread(_ begun: [BegunInstrument], _ now: Moment) {
        let since = Dictionary(begun.map { ($0.number, $0.reached) }) { $1 }
        reread.follow(
            feeds.list.enumerated().compactMap { place, feed in
                guard feed.isWanted, feed.kind == .trade else { return nil }
                let symbol = MassiveReread.Symbol(
                    feed: place, instrument: feed.instrument, name: feed.name)
                return (symbol, since[feed.instrument] ?? .undefined)
            }, now.wall)
    }

    /// A request for past trades has an answer, or will have none.
    package mutating func answered(
        _ number: UInt64, _ answer: StreamAnswer, _ now: Moment, into out: inout MassiveOutput
    ) {
        guard !isStopped else { return }
        if let note = reread.answered(number, answer, now, into: &out.records) { out.note(note) }
    }

    // MARK: messages

    /// A frame came on a connection.
    package mutating func received(
        _ bytes: RawSpan, isText: Bool, on number: MassiveConnection, _ now: Moment,
        into out: inout MassiveOutput
    ) {
        guard isPresent(number) else { return }
        link.asking.request?.isHeard = true
        guard isText, reader.begin(bytes) else { return broken(now, into: &out) }
        var isBroken = false
        var events = 0
        defer { link.heard.pace.note(events, now.monotonic) }
        while let message = reader.next(
            bytes, received: now.wall, feeds.places, isBroken: &isBroken)
        {
            counters.messages &+= 1
            if reader.time.isDefined {
                events += 1
                link.heard.noteLatest(reader.time)
            }
            take(message, now, into: &out)
            // A status may have ended the connection.
            guard isPresent(number) else { return }
        }
        feeds.showed(
            link.heard.time, lag: settings.feed.lag.upperBound, on: 0, now, into: &out.records)
        if isBroken { broken(now, into: &out) }
    }

    private func isPresent(_ number: MassiveConnection) -> Bool {
        link.number == number && link.state != .closed
    }

    @inline(__always)
    private mutating func take(
        _ message: MassiveMessage, _ now: Moment, into out: inout MassiveOutput
    ) {
        switch message {
        case .trade(let feed, let trade): take(trade, of: feed, now, into: &out)
        case .quote(let feed, let quote): take(quote, of: feed, now, into: &out)
        case .beside: take(reader.beside, now, into: &out)
        case .control: take(reader.control, now, into: &out)
        case .skipped(let reason): skip(reason, into: &out)
        }
    }

    /// Gives up a connection whose frame cannot be read: nothing says what was in it.
    private mutating func broken(_ now: Moment, into out: inout MassiveOutput) {
        counters.broken &+= 1
        giveUp("a frame cannot be read", .failed, now, into: &out)
    }

    mutating func skip(_ reason: MassiveSkip, into out: inout MassiveOutput) {
        counters.skip(reason)
        out.note(.skipped(reason))
    }

    // MARK: time

    /// Does what is due.
    package mutating func timePassed(_ now: Moment, into out: inout MassiveOutput) {
        guard !isStopped else { return }
        serve(now, into: &out)
        if let fetch = reread.timePassed(now) { out.wishes.append(.fetch(fetch)) }
        show(into: &out)
    }

    /// What had arrived was handed in: the floor moves. Where messages came, more of the same time
    /// may wait in the socket.
    package mutating func drained(_ now: Moment, into out: inout MassiveOutput) {
        let delay = hasBars ? settings.delayMax + MassiveLimits.barDelay : settings.delayMax
        let oldest = link.heard.endTurn(now.monotonic, delayMax: settings.delayMax)
        if link.state == .ready {
            feeds.isAlive(0, quiet: link.heard.quiet(now.monotonic), link.heard.pace, now)
            feeds.timePassed(on: 0, now, into: &out.records)
        }
        feeds.clock.drained(delayed(now), oldest: oldest, delayMax: delay)
        out.floor = floor
    }

    /// Notes the time of a trade or a quote.
    mutating func note(_ time: Timestamp, _ now: Moment) { feeds.clock.note(time, delayed(now)) }

    /// The moment whose events may come now: no time in a message counts as later.
    func delayed(_ now: Moment) -> Moment {
        var moment = now
        moment.wall = now.wall.advanced(byNanoseconds: -settings.feed.lag.lowerBound)
        return moment
    }

    /// Returns how far the service's clock is certainly ahead, since the last call; `nil`: nothing
    /// is known. Nothing of a delayed feed tells it.
    package mutating func takeClockAhead() -> Int64? {
        settings.feed == .delayed ? nil : feeds.clock.take(settings.delayMax)
    }

    /// The next moment at which `timePassed` has something to do.
    package var nextDue: MonotonicTime {
        guard !isStopped, link.isWanted else { return .never }
        switch link.state {
        case .closed: return link.retry.at
        case .opening: return .never
        case .greeting, .authenticating: return link.due
        case .ready:
            var due = link.isOccupied ? link.readyAt + MassiveLimits.provenAfter : .never
            due = min(due, feeds.againAt(link: 0))
            due = min(due, link.heard.pace.stopsAt(silentAfter: settings.silentAfter))
            if link.asking.request != nil {
                due = min(due, link.due)
            } else if link.asking.isBehind {
                due = min(due, link.asking.sendAt)
            }
            return due
        }
    }

    /// Ends everything: gaps without an end, then the ends of the subscriptions.
    package mutating func stop(_ now: Moment, into out: inout MassiveOutput) {
        guard !isStopped else { return }
        isStopped = true
        feeds.stop(now, into: &out.records)
        guard link.state != .closed else { return }
        out.wishes.append(.close(link.number))
        link.state = .closed
    }

    // MARK: state

    mutating func show(into out: inout MassiveOutput) {
        let present: StreamState =
            switch link.state {
            case .closed:
                link.isOccupied ? .occupied : link.refusal.isEmpty ? .closed : .refused
            case .opening, .greeting, .authenticating: .connecting
            case .ready: link.isOccupied ? .occupied : .ready
            }
        // Each attempt after a refusal is no news.
        let isRefused = link.isOccupied || !link.refusal.isEmpty
        guard present != state, !isRefused || present != .connecting else { return }
        state = present
        out.note(.state(present))
    }

    package var status: MassiveStatus {
        let refusal = link.refusal
        var counters = counters
        counters.past = reread.counters
        return MassiveStatus(
            state: state,
            failures: link.state == .ready || link.isOccupied ? 0 : link.retry.failures,
            reason: refusal.isEmpty ? link.reason : refusal, isWanted: link.isWanted,
            reread: reread.status, feeds: feeds.shown { _ in refusal }, counters: counters)
    }
}
