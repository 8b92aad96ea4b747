package import MarketModel
package import Primitives

/// What engines of services that stream have in common, as a machine: the links, what each is asked
/// for and what it delivers, silences, losses and waits, and the floor. A `StreamVenue` says what
/// is its service's own.
///
/// What is wanted and what is missing, `StreamFeeds` knows. Where each connection delivers all, the
/// records of several are merged by their numbers (`MergeRules`).
package struct StreamMachine: Sendable {
    package typealias Output = StreamOutput<StreamWish, StreamNote>

    package let settings: StreamSettings
    let rules: StreamRules
    package var feeds: StreamFeeds
    package var links: [StreamLink]
    package var counters = StreamCounts()
    var lastNumber: UInt32 = 0
    /// By how much the events of the first link are reported later than they happen.
    let lag: ClosedRange<Int64>
    /// Whether bars are wanted, which come later than trades of their time.
    private var hasBars = false
    private var state = StreamState.closed
    var lastRequest: UInt64 = 0
    /// What ended the last of merged connections; empty: nothing did since one was ready.
    var lastReason = ""
    /// What is known of the ids of each feed.
    var ids: [DenseIDs] = []
    /// The feeds that have trades ahead of a missing one, and how many trades of all feeds wait.
    var ahead = (feeds: [Int](), trades: 0)
    package var holes: DenseHoles
    package private(set) var isStopped = false

    /// `lags`: by how much the events of each link are reported later than they happen; `nil`:
    /// their times say nothing of that. Those of the first link do.
    package init(
        _ settings: StreamSettings, _ rules: StreamRules, channels: Int,
        lags: [ClosedRange<Int64>?]
    ) {
        self.settings = settings
        self.rules = rules
        let lag = lags.first.flatMap { $0 } ?? 0...0
        self.lag = lag
        var feedSettings = StreamFeeds.Settings(
            provider: settings.provider, delayMax: settings.delayMax,
            silentAfter: settings.silentAfter, hours: rules.hours)
        feedSettings.streamsMax = rules.merge?.streamsMax
        holes = DenseHoles(rules.merge, seed: settings.seed)
        feeds = StreamFeeds(
            feedSettings, channels: channels, links: lags.count,
            clock: ServerClock(
                behind: StreamFeeds.unknownClock + lag.upperBound - lag.lowerBound))
        links = lags.enumerated().map { StreamLink($0, $1, settings, rules) }
    }

    /// What the service is called in gaps and in the log.
    var service: String { rules.merge?.requests.service ?? "the service" }

    /// The promise of `StreamOutput.floor`.
    package var floor: Timestamp { feeds.clock.floor }

    // MARK: what is wanted

    /// Changes what is wanted. `plans`: how the instruments that begin are asked for. Returns the
    /// feeds that speak for them.
    @discardableResult
    package mutating func follow(
        _ orders: StreamFeeds.Orders, _ plans: [StreamPlan], _ now: Moment, into out: inout Output
    ) -> [Int] {
        let gone = Set(orders.ended).subtracting(orders.begun.map(\.number))
        forgetIDs(
            feeds.list.indices.filter {
                feeds.list[$0].isWanted && gone.contains(feeds.list[$0].instrument)
            }, now, into: &out)
        let changes = feeds.follow(orders, plans, now, into: &out.records)
        for refusal in changes.refusals {
            out.note(.refused(instrument: refusal.instrument, reason: refusal.reason))
        }
        hasBars = feeds.list.contains { $0.isWanted && $0.kind == .providerBar }
        forgetIDs(changes.forgotten, now, into: &out)
        for link in links.indices {
            links[link].isWanted =
                feeds.isWanted(link: link)
                && (!links[link].renewal.isSuccessor || links[link].isWanted)
            links[link].asking.isBehind = true
            links[link].renewal.completeAt = nil
        }
        return changes.begun
    }

    /// The service refuses a feed. It is asked for again after a while, and on the next connection.
    /// Returns whether the reason is a new one.
    mutating func refuse(
        _ feed: LinkedFeed, _ why: String, lacksRoom: Bool, _ now: Moment,
        into out: inout Output
    ) -> Bool {
        feeds.endDelivery(feed, .providerLoss, why, now, into: &out.records)
        let isNews = feeds.refuse(feed, why, lacksRoom: lacksRoom, now, into: &out.records)
        guard isNews else { return false }
        counters.links.refusedFeeds &+= 1
        return true
    }

    // MARK: time

    /// What had arrived was handed in: the floor moves. Where messages came, more of the same time
    /// may wait in the socket.
    mutating func drained(_ now: Moment, into out: inout Output) {
        var oldest = oldestAhead
        for link in links.indices {
            let heard = links[link].heard.endTurn(now.monotonic, delayMax: settings.delayMax)
            if links[link].state == .ready, rules.merge == nil {
                feeds.isAlive(
                    link, quiet: links[link].heard.quiet(now.monotonic), links[link].heard.pace,
                    now)
                feeds.timePassed(on: link, now, into: &out.records)
            }
            guard links[link].lag != nil, let heard else { continue }
            oldest = min(oldest ?? heard, heard)
        }
        feeds.clock.drained(
            delayed(now), oldest: oldest,
            delayMax: settings.delayMax + (hasBars ? rules.barDelay : 0))
        out.floor = floor
    }

    /// The moment whose events may come now: no time in a message counts as later.
    package func delayed(_ now: Moment) -> Moment {
        var moment = now
        moment.wall = now.wall.advanced(byNanoseconds: -lag.lowerBound)
        return moment
    }

    /// Returns how far the service's clock is certainly ahead, since the last call; `nil`: nothing
    /// is known, as behind a delay.
    mutating func takeClockAhead() -> Int64? {
        lag.upperBound == 0 ? feeds.clock.take(settings.delayMax) : nil
    }

    /// The next moment at which a link has something to do.
    package var nextDue: MonotonicTime {
        guard !isStopped else { return .never }
        var due = MonotonicTime.never
        for (number, link) in links.enumerated() where link.isWanted {
            switch link.state {
            case .closed: due = min(due, link.retry.at)
            case .opening: break
            case .greeting, .authenticating: due = min(due, link.due)
            case .ready:
                if link.isOccupied { due = min(due, link.readyAt + rules.provenAfter) }
                if rules.merge != nil { due = min(due, renewalDue(number)) }
                if rules.probes { due = min(due, probeDue(number)) }
                due = min(due, feeds.againAt(link: number))
                due = min(due, link.heard.pace.stopsAt(silentAfter: settings.silentAfter))
                if link.asking.request != nil {
                    due = min(due, link.due)
                } else if link.asking.isBehind {
                    due = min(due, link.asking.sendAt)
                }
            }
        }
        return min(due, idsDue)
    }

    /// Ends everything: gaps without an end, then the ends of the subscriptions.
    package mutating func stop(_ now: Moment, into out: inout Output) {
        guard !isStopped else { return }
        isStopped = true
        for place in ahead.feeds { release(place, now, isEnd: true, into: &out) }
        feeds.stop(now, into: &out.records)
        for link in links.indices where links[link].state != .closed {
            out.wishes.append(.close(links[link].number))
            links[link].state = .closed
        }
    }

    // MARK: state

    /// The first link that is wanted, or the last one. Of merged ones: the first that is ready.
    private var shown: StreamLink {
        let ready = links.first {
            rules.merge != nil && $0.state == .ready && !$0.renewal.isSuccessor
        }
        return ready ?? links.first(where: \.isWanted) ?? links[links.count - 1]
    }

    /// `reason`: why a state has begun.
    mutating func show(_ reason: String = "", into out: inout Output) {
        let link = shown
        let isRenewing = links.contains { $0.renewal.isSuccessor && $0.state != .closed }
        let present: StreamState =
            switch link.state {
            case .closed:
                link.isOccupied ? .occupied : link.refusal.isEmpty ? .closed : .refused
            case .opening, .greeting, .authenticating: .connecting
            case .ready: link.isOccupied ? .occupied : isRenewing ? .renewing : .ready
            }
        // Each attempt after a refusal is no news.
        let isRefused = link.isOccupied || !link.refusal.isEmpty
        guard present != state, !isRefused || present != .connecting else { return }
        state = present
        out.note(.state(present, reason: reason))
    }

    package var status: StreamShown {
        let link = shown
        let reason = rules.merge == nil ? link.reason : lastReason
        var shown = StreamShown(
            state: state,
            failures: link.state == .ready || link.isOccupied ? 0 : link.retry.failures,
            reason: link.refusal.isEmpty ? reason : link.refusal,
            connections: links.count { $0.state == .ready },
            links: links.count { $0.isWanted && !$0.renewal.isSuccessor },
            feeds: feeds.shown { links[$0].refusal }, counters: counters)
        shown.holes = holes.waiting.count
        return shown
    }

    /// Returns the service's limits, and what waits for each. How many symbols an account has is
    /// known when the service has refused one more.
    package func limits(_ now: MonotonicTime) -> [ProviderLimit] {
        let connections = links.map { link in
            StreamFeeds.Connection(
                isReady: link.state == .ready && !link.isOccupied,
                isWanted: link.isWanted && !link.renewal.isSuccessor,
                retryAt: link.state == .ready ? link.readyAt + rules.provenAfter : link.retry.at,
                reason: link.refusal.isEmpty ? link.reason : link.refusal)
        }
        let all = StreamFeeds.limit(of: connections, max: links.count, now)
        if let streams = feeds.streams { return [all, streams, requests(now)] }
        let refusal = feeds.list.first { $0.channel.link == 0 && !$0.refusal.why.isEmpty }?
            .refusal.why
        let first = links[0]
        var symbols = feeds.symbols(
            link: 0, max: nil,
            reason: first.asking.roomRefused.isEmpty ? refusal ?? "" : first.asking.roomRefused
        )
        if !first.asking.roomRefused.isEmpty { symbols.max = symbols.used }
        return [all, symbols, feeds.requests(rate(first, now), link: 0, now)]
    }

    private func rate(_ link: StreamLink, _ now: MonotonicTime) -> StreamRequestRate {
        StreamRequestRate(
            used: link.sent.sum(now), interval: rules.requestInterval,
            perRequest: link.asking.feedsMax, sendAt: link.asking.sendAt)
    }

    /// The requests on all links, and the streams that wait to be asked for.
    private func requests(_ now: MonotonicTime) -> ProviderLimit {
        var sum = ProviderLimit(
            .requests, used: links.reduce(0) { $0 + $1.sent.sum(now) },
            max: Int(60_000_000_000 / rules.requestInterval) * (rules.merge?.legs ?? 1))
        for (number, link) in links.enumerated() where link.state == .ready && link.asking.isBehind
        {
            let one = feeds.requests(rate(link, now), link: number, now)
            sum.waiting += one.waiting
            sum.until = [sum.until, one.until].compactMap(\.self).max()
        }
        return sum
    }
}
