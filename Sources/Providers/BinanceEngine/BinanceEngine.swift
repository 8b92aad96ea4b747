internal import EngineKit
package import MarketModel
package import Primitives

/// The exchange's trade streams, as a machine: what happens goes in, and records, wishes and notes
/// come out. It has no clock and no socket, so that everything about ids, gaps and connections is
/// decided here and is tested without either.
///
/// Trades of one symbol have dense ids. So it knows exactly what is missing: a lost connection
/// opens a gap, and the next trade's id says whether the gap lost anything. Whatever connections
/// deliver a symbol at a time, their trades are merged by these ids.
package struct BinanceEngine: StreamEngine {
    let settings: BinanceSettings
    var feeds: [BinanceFeed] = []
    var places = BinanceFeedPlaces()
    var reader = BinanceReader()
    /// The connections that exist, at most two of each link.
    var legs: [BinanceLeg] = []
    var links: [BinanceLink]
    var numbers = BinanceNumbers()
    /// What ended the last connection or attempt; empty: nothing did since one opened.
    var reason = ""
    var state = BinanceState.closed
    var waiting = BinanceWaiting()
    var holes: BinanceHoles
    package internal(set) var counters = BinanceCounters()
    var clock = ServerClock()
    private var isStopped = false

    package init(_ settings: BinanceSettings) {
        self.settings = settings
        links = (0..<(settings.isHotHot ? BinanceLimits.linksMax : 1)).map {
            BinanceLink(settings, number: $0)
        }
        holes = BinanceHoles(seed: settings.seed)
    }

    /// The promise of `BinanceOutput.floor`.
    var floor: Timestamp { clock.floor }

    var isAnythingWanted: Bool { feeds.contains { $0.isWanted } }

    // MARK: messages

    /// A message came on a connection.
    package mutating func received(
        _ bytes: RawSpan, isText: Bool, on number: BinanceLegNumber, _ now: Moment,
        into out: inout BinanceOutput
    ) {
        guard let leg = legs.firstIndex(where: { $0.number == number }) else { return }
        counters.messages &+= 1
        legs[leg].heard.at = now.monotonic
        guard isText else { return skip(.binary, into: &out) }
        let message = reader.read(bytes, received: now.wall, places)
        if reader.serverTime.isDefined {
            legs[leg].heard.note(reader.serverTime)
            clock.note(reader.serverTime, now)
        }
        switch message {
        case .trade(let trade):
            legs[leg].heard.pace.note(1, now.monotonic)
            arrived(trade, on: leg, now, into: &out)
        case .side:
            legs[leg].heard.pace.note(1, now.monotonic)
            arrived(reader.side, on: leg, now, into: &out)
        case .answer(let id, let refusal): answered(id, refusal, on: leg, now, into: &out)
        case .shutdown:
            counters.links.shutdowns &+= 1
            legs[leg].renewAt = now.monotonic
            renewIfDue(now, into: &out)
        case .skipped(let reason): skip(reason, into: &out)
        }
    }

    mutating func skip(_ reason: BinanceSkip, into out: inout BinanceOutput) {
        counters.skip(reason)
        out.note(.skipped(reason))
    }

    private mutating func arrived(
        _ trade: BinanceTrade, on leg: Int, _ now: Moment, into out: inout BinanceOutput
    ) {
        let feed = trade.feed
        guard isExpected(feed, on: leg, now, into: &out) else { return }
        guard trade.id > 0 else { return leaveOutFirst(trade, into: &out) }
        let isLower = trade.id <= legs[leg].streams[feed].lastID
        if !isLower { legs[leg].streams[feed].lastID = trade.id }
        merge(trade, on: leg, isLower: isLower, now, into: &out)
    }

    /// Returns whether a feed is wanted, of which something came.
    mutating func isExpected(
        _ feed: Int, on leg: Int, _ now: Moment, into out: inout BinanceOutput
    ) -> Bool {
        guard feeds[feed].isWanted else {
            skip(.stray, into: &out)
            return false
        }
        if feeds[feed].state != .live || !legs[leg].streams[feed].isConfirmed {
            // It trades, whatever was said of it.
            feeds[feed].refusal = nil
            // The exchange has subscribed it, whenever its answer comes.
            legs[leg].streams[feed].isConfirmed = true
            confirm(feed, now, into: &out)
        }
        return true
    }

    // MARK: time

    /// Does what is due.
    package mutating func timePassed(_ now: Moment, into out: inout BinanceOutput) {
        guard !isStopped else { return }
        guard isAnythingWanted else { return closeAll(into: &out) }
        connectIfDue(now, into: &out)
        serveAll(now, into: &out)
        renewIfDue(now, into: &out)
        takeOverIfDue(now, into: &out)
        releaseAll(now, into: &out)
        fetch(now, into: &out)
    }

    /// What had arrived was handed in: the floor moves. Where messages came, more of the same time
    /// may wait in the socket, so it stays before the last one, and before the oldest trade that
    /// waits; else before the present.
    package mutating func drained(_ now: Moment, into out: inout BinanceOutput) {
        var oldest = waiting.feeds.compactMap { feeds[$0].ahead.first?.trade.time }.min()
        for leg in legs.indices {
            let heard = legs[leg].heard.endTurn(now.monotonic, delayMax: settings.delayMax)
            if let heard { oldest = min(oldest ?? heard, heard) }
        }
        clock.drained(now, oldest: oldest, delayMax: settings.delayMax)
        out.floor = clock.floor
    }

    /// Returns how far the exchange's clock is certainly ahead, since the last call; `nil`:
    /// nothing is known.
    package mutating func takeClockAhead() -> Int64? { clock.take(settings.delayMax) }

    /// The next moment at which `timePassed` has something to do.
    package var nextDue: MonotonicTime {
        guard !isStopped, isAnythingWanted else { return .never }
        var due = MonotonicTime.never
        for link in links.indices {
            guard let leg = present(of: link) else {
                due = min(due, links[link].retry.at)
                continue
            }
            guard legs[leg].state == .open else { continue }
            if let next = successor(of: link) {
                if let ready = legs[next].readyAt { due = min(due, ready + settings.overlap) }
            } else {
                due = min(due, max(legs[leg].renewAt, links[link].retry.at))
            }
        }
        for leg in legs where leg.state == .open {
            let quiet = leg.isProbing ? settings.silentAfter : settings.silentAfter / 2
            due = min(due, leg.heard.at + quiet)
            due = min(due, leg.heard.pace.stopsAt(silentAfter: settings.silentAfter))
            if let answer = leg.requests.first?.due { due = min(due, answer) }
            if leg.isBehind { due = min(due, leg.sendAt) }
        }
        for feed in waiting.feeds {
            if let first = feeds[feed].ahead.first { due = min(due, first.since + settings.wait) }
        }
        if holes.asked == nil, !holes.waiting.isEmpty || !holes.lookUps.isEmpty {
            due = min(due, holes.pace.at)
        }
        return due
    }

    /// Ends everything: gaps without an end, then the ends of the subscriptions.
    package mutating func stop(_ now: Moment, into out: inout BinanceOutput) {
        guard !isStopped else { return }
        isStopped = true
        for place in waiting.feeds { release(place, now, isEnd: true, into: &out) }
        for place in feeds.indices where feeds[place].isAnnounced {
            let feed = feeds[place]
            if feed.openGap == nil {
                out.records.append(
                    feed.gap(
                        (from: end(of: feed), to: .undefined), .gatewayLost, .open, at: now.wall))
            }
            out.records.append(.tape(.subscription(subscription(feed, .stop, now))))
            feeds[place].isAnnounced = false
        }
        closeAll(into: &out)
    }

    // MARK: state

    mutating func show(into out: inout BinanceOutput) {
        let present: BinanceState =
            if legs.contains(where: { $0.state == .open && !$0.isSuccessor }) {
                legs.contains { $0.isSuccessor } ? .renewing : .ready
            } else {
                legs.isEmpty ? .closed : .connecting
            }
        guard present != state else { return }
        state = present
        out.note(.state(present))
    }

    package var status: BinanceStatus {
        let isOpen = legs.contains { $0.state == .open }
        let down = links.indices.filter { present(of: $0) == nil }
        return BinanceStatus(
            state: state, failures: isOpen ? 0 : links.map(\.retry.failures).max() ?? 0,
            reason: reason, nextAttempt: down.map { links[$0].retry.at }.min() ?? .never,
            connections: legs.count { $0.state == .open },
            links: isAnythingWanted ? links.count : 0,
            holes: holes.waiting.count,
            feeds: shown + refused.map(\.shown),
            counters: counters)
    }

    private var shown: [ShownFeed] {
        ShownFeed.joined(
            feeds.filter(\.isWanted).map { feed in
                var shown = ShownFeed(
                    instrument: feed.instrument, name: feed.name, state: feed.state,
                    reason: feed.reason, hasOpenGap: feed.openGap != nil)
                shown.lastID = feed.last.id
                return ShownFeed.Part(
                    shown, isFollower: feed.side.isFollower, refusal: feed.refusal?.reason)
            })
    }

    /// Instruments that are refused.
    var refused: [BinanceRefused] = []
}

/// An instrument that is refused.
struct BinanceRefused: Sendable {
    var item: BegunInstrument
    /// The gaps that an earlier process left, where it waits.
    var gaps: [OpenGap]
    var reason: String
    /// Whether it begins when another instrument ends.
    var waits: Bool

    var shown: ShownFeed {
        ShownFeed(
            instrument: item.number, name: BinanceEngine.name(of: item.instrument),
            state: .refused, reason: reason)
    }
}
