internal import EngineKit
package import MarketModel
package import Primitives

/// Alpaca's streams, as a machine: what happens goes in, and records, wishes and notes come out.
/// It has no clock, no socket and no key.
///
/// The service numbers nothing, so what is missing is known by time alone: a lost connection opens
/// a gap of each feed, from the time up to which all had come until the service has confirmed the
/// next subscription.
package struct AlpacaEngine: StreamEngine {
    let settings: AlpacaSettings
    var feeds: StreamFeeds
    var reader: AlpacaReader
    /// By endpoint.
    var links: [AlpacaLink]
    var lastNumber: AlpacaConnection = 0
    var times: TradeTimes
    /// Trades that got another id, by the feed and that number.
    var renamed: [AlpacaTradeKey: UInt64] = [:]
    /// What is to be computed again because of changes of trades that are not known, by feed.
    var repairs: [Int: AlpacaRepair] = [:]
    private var state = StreamState.closed
    package internal(set) var counters = AlpacaCounters()
    private var isStopped = false

    package init(_ settings: AlpacaSettings) {
        self.settings = settings
        feeds = StreamFeeds(
            StreamFeeds.Settings(
                provider: settings.provider, delayMax: settings.delayMax,
                silentAfter: settings.silentAfter, hours: settings.feed.hours),
            channels: AlpacaChannel.allCases.count, links: AlpacaEndpoint.allCases.count)
        reader = AlpacaReader(settings.feed, settings.hidden)
        links = AlpacaEndpoint.allCases.map { AlpacaLink($0, settings) }
        // Trades of coins are never changed.
        times = TradeTimes(
            count: settings.feed.isCrypto ? 1 : settings.tradesKept)
    }

    /// The promise of `AlpacaOutput.floor`.
    var floor: Timestamp { feeds.clock.floor }

    // MARK: messages

    /// A frame came on a connection.
    package mutating func received(
        _ bytes: RawSpan, isText: Bool, on number: AlpacaConnection, _ now: Moment,
        into out: inout AlpacaOutput
    ) {
        guard let link = links.firstIndex(where: { $0.number == number && $0.state != .closed })
        else { return }
        guard isText, reader.begin(bytes) else { return broken(link, now, into: &out) }
        var isBroken = false
        var events = 0
        defer { links[link].heard.pace.note(events, now.monotonic) }
        while let message = reader.next(
            bytes, received: now.wall, feeds.places, isBroken: &isBroken)
        {
            counters.messages &+= 1
            if reader.time.isDefined {
                events += 1
                links[link].heard.noteLatest(reader.time)
            }
            take(message, on: link, now, into: &out)
            // An answer may have ended the connection.
            guard links[link].number == number, links[link].state != .closed else { return }
        }
        let endpoint = links[link].endpoint
        feeds.showed(
            links[link].heard.time, lag: endpoint == .market ? settings.feed.delay : 0,
            on: endpoint.rawValue, now, into: &out.records)
        if isBroken { broken(link, now, into: &out) }
    }

    @inline(__always)
    private mutating func take(
        _ message: AlpacaMessage, on link: Int, _ now: Moment, into out: inout AlpacaOutput
    ) {
        switch message {
        case .trade(let feed, let trade): take(trade, of: feed, now, into: &out)
        case .quote(let feed, let quote): take(quote, of: feed, now, into: &out)
        case .beside: take(reader.beside, now, into: &out)
        case .control: take(reader.control, on: link, now, into: &out)
        case .skipped(let reason): skip(reason, into: &out)
        }
    }

    /// Gives up a connection whose frame cannot be read: nothing says what was in it.
    private mutating func broken(_ link: Int, _ now: Moment, into out: inout AlpacaOutput) {
        counters.broken &+= 1
        giveUp(link, "a frame cannot be read", now, into: &out)
    }

    mutating func skip(_ reason: AlpacaSkip, into out: inout AlpacaOutput) {
        counters.skip(reason)
        out.note(.skipped(reason))
    }

    // MARK: time

    /// Does what is due.
    package mutating func timePassed(_ now: Moment, into out: inout AlpacaOutput) {
        guard !isStopped else { return }
        for link in links.indices { serve(link, now, into: &out) }
        repairIfDue(now, into: &out)
        show(into: &out)
    }

    /// What had arrived was handed in: the floor moves. Where messages came, more of the same time
    /// may wait in the socket.
    package mutating func drained(_ now: Moment, into out: inout AlpacaOutput) {
        var oldest: Timestamp?
        for link in links.indices {
            let heard = links[link].heard.endTurn(now.monotonic, delayMax: settings.delayMax)
            if links[link].state == .ready {
                feeds.isAlive(
                    links[link].endpoint.rawValue, quiet: links[link].heard.quiet(now.monotonic),
                    links[link].heard.pace, now)
                feeds.timePassed(on: links[link].endpoint.rawValue, now, into: &out.records)
            }
            // News have the time of their publication.
            guard links[link].endpoint == .market, let heard else { continue }
            oldest = min(oldest ?? heard, heard)
        }
        feeds.clock.drained(delayed(now), oldest: oldest, delayMax: settings.delayMax)
        out.floor = floor
    }

    /// Notes the time of a record of the market.
    mutating func note(_ time: Timestamp, _ now: Moment) { feeds.clock.note(time, delayed(now)) }

    /// The moment of which the market's stream tells now: nothing else says what is due, where
    /// nothing comes.
    func delayed(_ now: Moment) -> Moment {
        var moment = now
        moment.wall = now.wall.advanced(byNanoseconds: -settings.feed.delay)
        return moment
    }

    /// Returns how far the service's clock is certainly ahead, since the last call; `nil`: nothing
    /// is known, as behind a delay whose length is not exact.
    package mutating func takeClockAhead() -> Int64? {
        settings.feed.delay == 0 ? feeds.clock.take(settings.delayMax) : nil
    }

    /// The next moment at which `timePassed` has something to do.
    package var nextDue: MonotonicTime {
        guard !isStopped else { return .never }
        var due = MonotonicTime.never
        for link in links where link.isWanted {
            switch link.state {
            case .closed: due = min(due, link.retry.at)
            case .opening: break
            case .greeting, .authenticating: due = min(due, link.due)
            case .ready:
                due = min(due, link.heard.pace.stopsAt(silentAfter: settings.silentAfter))
                due = min(due, feeds.againAt(link: link.endpoint.rawValue))
                if link.asking.request != nil {
                    due = min(due, link.due)
                } else if link.asking.isBehind {
                    due = min(due, link.asking.sendAt)
                }
            }
        }
        for repair in repairs.values where repair.from.isDefined { due = min(due, repair.at) }
        return due
    }

    /// Ends everything: gaps without an end, then the ends of the subscriptions.
    package mutating func stop(_ now: Moment, into out: inout AlpacaOutput) {
        guard !isStopped else { return }
        for feed in repairs.keys { repairs[feed]?.at = .distantPast }
        repairIfDue(now, into: &out)
        isStopped = true
        feeds.stop(now, into: &out.records)
        for link in links.indices where links[link].state != .closed {
            out.wishes.append(.close(links[link].number))
            links[link].state = .closed
        }
    }

    // MARK: state

    /// The link of the market, or of the news where nothing else is wanted.
    private var shown: AlpacaLink {
        links[(links[0].isWanted ? AlpacaEndpoint.market : .news).rawValue]
    }

    mutating func show(into out: inout AlpacaOutput) {
        let link = shown
        let present: StreamState =
            switch link.state {
            case .closed:
                link.isOccupied ? .occupied : link.refusal.isEmpty ? .closed : .refused
            case .opening, .greeting, .authenticating: .connecting
            case .ready: .ready
            }
        // Each attempt after a refusal is no news.
        let isRefused = link.isOccupied || !link.refusal.isEmpty
        guard present != state, !isRefused || present != .connecting else { return }
        state = present
        out.note(.state(present))
    }

    package var status: AlpacaStatus {
        let link = shown
        return AlpacaStatus(
            state: state,
            failures: link.state == .ready || link.isOccupied ? 0 : link.retry.failures,
            reason: link.refusal.isEmpty ? link.reason : link.refusal,
            connections: links.count { $0.state == .ready },
            links: links.count { $0.isWanted },
            feeds: feeds.shown { links[$0].refusal }, counters: counters)
    }
}

/// A trade of one feed.
struct AlpacaTradeKey: Hashable, Sendable {
    var feed: Int
    var number: UInt64
}
