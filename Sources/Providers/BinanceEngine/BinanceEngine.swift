package import MarketModel
package import Primitives

/// The exchange's trade streams, as a machine: what happens goes in, and records, wishes and notes
/// come out. It has no clock and no socket, so that everything about ids, gaps and connections is
/// decided here and is tested without either.
///
/// Trades of one symbol have dense ids. So it knows exactly what is missing: a lost connection
/// opens a gap, and the next trade's id says whether the gap lost anything.
package struct BinanceEngine: Sendable {
    let settings: BinanceSettings
    var feeds: [BinanceFeed] = []
    var symbols = BinanceSymbols()
    private var reader = BinanceReader()
    /// The connection that delivers; `nil`: there is none.
    var primary: BinanceLeg?
    /// The connection that takes over from it; `nil`: there is none.
    var successor: BinanceLeg?
    /// Trades of the successor, which wait until it takes over or the present connection brings
    /// them, too.
    var held = BinanceHeldTrades()
    private var lastLeg: BinanceLegNumber = 0
    var lastRequest: UInt64 = 0
    private var retry: BinanceRetry
    var state = BinanceState.closed
    package internal(set) var counters = BinanceCounters()
    private var clock = BinanceServerClock()
    private var isStopped = false

    package init(_ settings: BinanceSettings) {
        self.settings = settings
        retry = BinanceRetry(settings)
    }

    var reason: String { retry.reason }
    /// The promise of `BinanceOutput.floor`.
    var floor: Timestamp { clock.floor }

    var isAnythingWanted: Bool { feeds.contains { $0.isWanted } }

    // MARK: connections

    /// A connection is open.
    package mutating func opened(
        _ number: BinanceLegNumber, _ now: Moment, into out: inout BinanceOutput
    ) {
        guard var leg = leg(number), leg.state == .opening else { return }
        leg.state = .open
        leg.openedAt = now.monotonic
        leg.heardAt = now.monotonic
        leg.renewAt = now.monotonic + settings.renewAfter
        leg.grow(to: feeds.count)
        set(leg)
        counters.connections &+= 1
        show(into: &out)
    }

    /// A connection has ended, or was not made.
    package mutating func ended(
        _ number: BinanceLegNumber, _ reason: String, _ now: Moment,
        into out: inout BinanceOutput
    ) {
        guard let leg = leg(number) else { return }
        counters.failures &+= 1
        if leg.number == successor?.number {
            successor = nil
            held.removeAll()
            retry.wait(now)
            out.note(.successorLost(reason: reason))
            return show(into: &out)
        }
        retry.reason = reason
        if successor != nil { return takeOver(now, into: &out) }
        primary = nil
        retry.failed(
            wasSteady: leg.state == .open && now.monotonic - leg.openedAt >= Self.steadyAfter)
        retry.wait(now)
        out.note(.lost(failures: retry.failures, reason: reason))
        beginOutage(now, into: &out) { _ in true }
        show(into: &out)
    }

    /// A connection that lasted so long ends a row of failures.
    private static let steadyAfter: Int64 = 30_000_000_000

    /// Gives a connection up by the engine's own decision.
    private mutating func giveUp(
        _ number: BinanceLegNumber, _ reason: String, _ now: Moment,
        into out: inout BinanceOutput
    ) {
        out.wishes.append(.close(number))
        ended(number, reason, now, into: &out)
    }

    /// The successor delivers from here on, and its predecessor is closed.
    mutating func takeOver(_ now: Moment, into out: inout BinanceOutput) {
        guard let next = successor else { return }
        if let leg = primary { out.wishes.append(.close(leg.number)) }
        primary = next
        successor = nil
        counters.renewals &+= 1
        releaseHeld()
        while let trade = held.removeFirst() {
            take(trade, isLower: false, into: &out)
            releaseHeld()
        }
        beginOutage(now, into: &out) { next.state != .open || !next.isConfirmed[$0] }
        for feed in feeds.indices
        where next.state == .open && next.isConfirmed[feed] && feeds[feed].isWanted {
            confirm(feed, now, into: &out)
        }
        show(into: &out)
    }

    /// Lets go of the oldest held trades as far as they are no longer needed. That the predecessor
    /// delivered them, too, is no sign of trouble.
    private mutating func releaseHeld() {
        while let trade = held.first {
            if feeds[trade.feed].isWanted {
                guard trade.id <= feeds[trade.feed].last.id else { return }
                compare(trade)
                counters.doubles &+= 1
            }
            _ = held.removeFirst()
        }
    }

    private func leg(_ number: BinanceLegNumber) -> BinanceLeg? {
        if let primary, primary.number == number { return primary }
        if let successor, successor.number == number { return successor }
        return nil
    }

    mutating func set(_ leg: BinanceLeg) {
        if primary?.number == leg.number { primary = leg }
        if successor?.number == leg.number { successor = leg }
    }

    private mutating func begin(into out: inout BinanceOutput) -> BinanceLeg {
        lastLeg &+= 1
        var leg = BinanceLeg(number: lastLeg)
        leg.grow(to: feeds.count)
        out.wishes.append(.open(lastLeg))
        return leg
    }

    // MARK: messages

    /// A message came on a connection.
    package mutating func received(
        _ bytes: RawSpan, isText: Bool, on number: BinanceLegNumber, _ now: Moment,
        into out: inout BinanceOutput
    ) {
        let isPrimary = primary?.number == number
        guard isPrimary || successor?.number == number else { return }
        counters.messages &+= 1
        if isPrimary {
            primary?.heardAt = now.monotonic
        } else {
            successor?.heardAt = now.monotonic
        }
        guard isText else { return skip(.binary, into: &out) }
        let message = reader.read(bytes, received: now.wall, symbols)
        clock.note(reader.serverTime, now, isPrimary: isPrimary)
        switch message {
        case .trade(let trade): arrived(trade, isPrimary: isPrimary, now, into: &out)
        case .answer(let id, let refusal):
            answered(id, refusal, isPrimary: isPrimary, now, into: &out)
        case .shutdown:
            counters.shutdowns &+= 1
            guard isPrimary else {
                successor?.renewAt = now.monotonic
                return
            }
            primary?.renewAt = now.monotonic
            renewIfDue(now, into: &out)
        case .skipped(let reason): skip(reason, into: &out)
        }
    }

    private mutating func skip(_ reason: BinanceSkip, into out: inout BinanceOutput) {
        counters.skip(reason)
        out.note(.skipped(reason))
    }

    private mutating func arrived(
        _ trade: BinanceTrade, isPrimary: Bool, _ now: Moment, into out: inout BinanceOutput
    ) {
        let feed = trade.feed
        guard feeds[feed].isWanted else { return skip(.stray, into: &out) }
        if isPrimary, feeds[feed].state != .live {
            // The exchange has subscribed it, whenever its answer comes.
            primary?.isConfirmed[feed] = true
            confirm(feed, now, into: &out)
        }
        guard trade.id > 0 else { return isPrimary ? leaveOutFirst(trade, into: &out) : () }
        let before = (isPrimary ? primary?.lastIDs[feed] : successor?.lastIDs[feed]) ?? 0
        let isLower = trade.id <= before
        if !isLower {
            if isPrimary {
                primary?.lastIDs[feed] = trade.id
            } else {
                successor?.lastIDs[feed] = trade.id
            }
        }
        if isPrimary { return take(trade, isLower: isLower, into: &out) }
        guard !isLower else {
            counters.lowerIDs &+= 1
            return
        }
        held.append(trade)
        if held.count >= BinanceLimits.heldTradesMax { takeOver(now, into: &out) }
    }

    // MARK: time

    /// Does what is due.
    package mutating func timePassed(_ now: Moment, into out: inout BinanceOutput) {
        guard !isStopped else { return }
        guard isAnythingWanted else { return closeAll(into: &out) }
        if primary == nil, now.monotonic >= retry.at {
            primary = begin(into: &out)
            show(into: &out)
        }
        serve(primary, now, into: &out)
        serve(successor, now, into: &out)
        renewIfDue(now, into: &out)
        if let ready = successor?.readyAt, now.monotonic >= ready + settings.overlap {
            takeOver(now, into: &out)
        }
    }

    private mutating func serve(
        _ leg: BinanceLeg?, _ now: Moment, into out: inout BinanceOutput
    ) {
        guard var leg, leg.state == .open else { return }
        if let due = leg.requests.first?.due, now.monotonic >= due {
            return giveUp(leg.number, "a request has no answer", now, into: &out)
        }
        if now.monotonic >= leg.heardAt + settings.silentAfter {
            return giveUp(leg.number, "it is silent", now, into: &out)
        }
        ask(&leg, now, into: &out)
        set(leg)
    }

    /// Begins a successor of a connection that is old, or that the exchange will end. Also when the
    /// exchange says so of each, they follow no faster than other attempts.
    private mutating func renewIfDue(_ now: Moment, into out: inout BinanceOutput) {
        guard let leg = primary, leg.state == .open, successor == nil,
            now.monotonic >= max(leg.renewAt, retry.at)
        else { return }
        let isOld = leg.renewAt == leg.openedAt + settings.renewAfter
        retry.wait(now)
        successor = begin(into: &out)
        out.note(
            .renewing(
                reason: isOld
                    ? "it is \(settings.renewAfter / 60_000_000_000) minutes old"
                    : "the exchange will end the connection"))
        show(into: &out)
    }

    private mutating func closeAll(into out: inout BinanceOutput) {
        for leg in [primary, successor].compactMap({ $0 }) { out.wishes.append(.close(leg.number)) }
        primary = nil
        successor = nil
        held.removeAll()
        show(into: &out)
    }

    /// What had arrived was handed in: the floor moves. Where messages came, more of the same time
    /// may wait in the socket, so it stays before the last one, and before the oldest trade that is
    /// held; else before the present.
    package mutating func drained(_ now: Moment, into out: inout BinanceOutput) {
        releaseHeld()
        clock.drained(now, oldest: held.first?.time, delayMax: settings.delayMax)
        out.floor = clock.floor
    }

    /// Returns how far the exchange's clock is certainly ahead, since the last call; `nil`:
    /// nothing is known.
    package mutating func takeClockAhead() -> Int64? { clock.take(settings.delayMax) }

    /// The next moment at which `timePassed` has something to do.
    package var nextDue: MonotonicTime {
        guard !isStopped, isAnythingWanted else { return .never }
        var due = primary == nil ? retry.at : MonotonicTime.never
        for leg in [primary, successor].compactMap({ $0 }) where leg.state == .open {
            let quiet = leg.isProbing ? settings.silentAfter : settings.silentAfter / 2
            due = min(due, leg.heardAt + quiet)
            if let answer = leg.requests.first?.due { due = min(due, answer) }
            if leg.isBehind { due = min(due, leg.sendAt) }
        }
        if let leg = primary, leg.state == .open, successor == nil {
            due = min(due, max(leg.renewAt, retry.at))
        }
        if let ready = successor?.readyAt { due = min(due, ready + settings.overlap) }
        return due
    }

    /// Ends everything: gaps without an end, then the ends of the subscriptions.
    package mutating func stop(_ now: Moment, into out: inout BinanceOutput) {
        guard !isStopped else { return }
        isStopped = true
        for place in feeds.indices where feeds[place].isAnnounced {
            let feed = feeds[place]
            if feed.gapFrom == nil {
                out.records.append(
                    feed.gap(
                        (from: feed.end, to: .undefined), .gatewayLost, .open, at: now.wall))
            }
            out.records.append(.tape(.subscription(subscription(feed, .stop, now))))
            feeds[place].isAnnounced = false
        }
        closeAll(into: &out)
    }

    // MARK: state

    mutating func show(into out: inout BinanceOutput) {
        let present: BinanceState =
            switch primary?.state {
            case nil: .closed
            case .opening: .connecting
            case .open: successor == nil ? .ready : .renewing
            }
        guard present != state else { return }
        state = present
        out.note(.state(present))
    }

    package var status: BinanceStatus {
        BinanceStatus(
            state: state, failures: primary?.state == .open ? 0 : retry.failures, reason: reason,
            nextAttempt: primary == nil ? retry.at : .never,
            feeds: feeds.filter(\.isWanted).map {
                BinanceStatus.Feed(
                    instrument: $0.instrument, name: $0.name, state: $0.state,
                    reason: $0.refusal.isEmpty ? $0.reason : $0.refusal,
                    lastID: $0.last.id, hasOpenGap: $0.gapFrom != nil)
            } + refused,
            counters: counters)
    }

    /// Instruments that are refused.
    var refused: [BinanceStatus.Feed] = []
}
