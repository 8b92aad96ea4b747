package import MarketModel
package import Primitives

/// What an engine is asked for, and what is said of it on the tape. A feed that is no longer
/// delivered has a gap, from the time up to which all had come. Where nothing but time tells what
/// is missing, the gap ends when the service has confirmed the next subscription; else with the
/// next record (`StreamProof`).
package struct StreamFeeds: Sendable {
    package var list: [StreamFeed] = []
    package private(set) var places: FeedPlaces
    /// Instruments that are not delivered: for ever, or until another one ends.
    var refused: [Refused] = []
    /// The service's clock.
    package var clock: ServerClock
    /// All that was reported until then has come, by connection and by the clock of records.
    private var heard: [Timestamp]
    /// Whether a connection's stream has stopped, and nothing has come since.
    private var isDoubted: [Bool]
    /// When what was refused is asked for once more, by connection.
    var againAt: [MonotonicTime]
    /// The gaps of an earlier process whose ids are known, until they are taken.
    var identified: [(place: Int, gap: OpenGap)] = []
    /// The gaps that have ended and are to be filled, until they are taken.
    var ended: [EndedGap] = []
    let settings: Settings
    /// How far the service's clock may be ahead or behind before it is known.
    static let unknownClock: Int64 = 5_000_000_000

    /// What the feeds need of the engine's settings.
    package struct Settings: Sendable {
        /// The provider's name, for records about subscriptions.
        package var provider: String
        /// How long a record may be under way, in nanoseconds.
        package var delayMax: Int64
        /// How long a connection may be silent, in nanoseconds.
        package var silentAfter: Int64
        package var hours: MarketHours
        /// The streams of one connection; `nil`: as many as are wanted.
        package var streamsMax: Int?

        /// How long a connection may be dead before that shows. Pings are as exact as a timer of a
        /// second.
        var deadMax: Int64 { silentAfter + 1_000_000_000 }

        package init(
            provider: String, delayMax: Int64, silentAfter: Int64, hours: MarketHours
        ) {
            self.provider = provider
            self.delayMax = delayMax
            self.silentAfter = silentAfter
            self.hours = hours
        }
    }

    package init(
        _ settings: Settings, channels: Int, links: Int = 1, clock: ServerClock = ServerClock()
    ) {
        self.settings = settings
        self.clock = clock
        places = FeedPlaces(channels: channels)
        heard = [Timestamp](repeating: .undefined, count: links)
        isDoubted = [Bool](repeating: false, count: links)
        againAt = [MonotonicTime](repeating: .never, count: links)
    }

    // MARK: what is wanted

    /// Returns whether a feed of a connection is wanted.
    package func isWanted(link: Int) -> Bool {
        list.contains { $0.isWanted && $0.channel.comes(on: link) }
    }

    /// Forgets what a feed has delivered: what it lacks from here on, nobody wants.
    mutating func forget(_ place: Int) {
        list[place].arrivals.forget(after: list[place].reach.last)
        list[place].reach = FeedReach()
        list[place].openGap = nil
        list[place].inherited = []
    }

    /// Ends a feed of an instrument that goes on without it: with another symbol, which takes over
    /// what is missing, or without this kind of data. Returns whether it is forgotten.
    mutating func leave(
        _ place: Int, _ now: Moment, into records: inout [ProviderRecord]
    ) -> Bool {
        let feed = list[place]
        let isReplaced = list.contains {
            $0.isWanted && $0.instrument == feed.instrument
                && $0.channel.kind == feed.channel.kind
                && $0.channel.isPart == feed.channel.isPart
        }
        if isReplaced, feed.channel.proof == .byDenseIDs {
            // Its ids tell what is missing when the symbol comes back.
            list[place].openGap = nil
            return false
        }
        if !isReplaced, !feed.channel.isPart {
            endGap(of: place, "this kind of data is not wanted any more", now, into: &records)
            records.append(.tape(.subscription(subscription(feed, .stop, now))))
        }
        forget(place)
        return true
    }

    /// A channel of an instrument to begin.
    struct Wanted {
        var name: String
        var channel: StreamChannel
        /// Whether it speaks for the instrument.
        var isFirst: Bool
        var absent: String
        var item: BegunInstrument
        /// The gaps that an earlier process left.
        var left: [OpenGap]
    }

    /// Returns the place of its feed.
    mutating func begin(
        _ wanted: Wanted, _ now: Moment, into records: inout [ProviderRecord]
    ) -> Int {
        let (name, channel, item) = (wanted.name, wanted.channel, wanted.item)
        let former = list.indices.last {
            list[$0].instrument == item.number && list[$0].channel.kind == channel.kind
                && list[$0].channel.isPart == channel.isPart
                && (list[$0].name != name || list[$0].channel != channel)
        }
        let known = places.feed(name, channel.number)
        let place = known ?? list.count
        let fresh = StreamFeed(instrument: item.number, name: name, channel: channel)
        if known == nil {
            places.add(name, channel.number, feed: place)
            list.append(fresh)
        } else if list[place].instrument != item.number {
            let standings = list[place].on
            list[place] = fresh
            list[place].on = standings
        }
        list[place].isWanted = true
        list[place].isFollower = !wanted.isFirst
        list[place].refusal = FeedRefusal()
        for link in list[place].on.indices { list[place].on[link].isRefused = false }
        list[place].reason = wanted.absent
        list[place].inherited += wanted.left.filter { $0.to.isDefined }
        report(.starting, of: place, now, into: &records)
        if list[place].openGap == nil, !list[place].reach.last.isDefined, !channel.isPart {
            let open = wanted.left.filter { !$0.to.isDefined }.min { $0.from < $1.from }
            if former == nil, channel.proof == .byDenseIDs, let last = item.last,
                open != nil || item.reached.isDefined
            {
                // Its ids go on where an earlier process ended.
                (list[place].reach.lastID, list[place].reach.last) = last
            }
            if let open {
                list[place].openGap = UnendedGap(from: open.from, reason: open.reason)
            } else {
                resume(place, item, former, now, into: &records)
            }
            if let gap = list[place].openGap {
                list[place].arrivals.areKnown(
                    from: gap.from.advanced(byNanoseconds: unknownSpan(of: place)))
            }
        }
        if list[place].isDelivered { confirm(place, now, into: &records) }
        return place
    }

    /// Begins with what is missing already: since an earlier process, or since the instrument had
    /// another symbol. It is on record at once, because the floor rises without a connection, too.
    private mutating func resume(
        _ place: Int, _ item: BegunInstrument, _ former: Int?, _ now: Moment,
        into records: inout [ProviderRecord]
    ) {
        if let former, let gap = list[former].openGap {
            list[place].openGap = gap
            return
        }
        var from = former.map { complete($0) } ?? .undefined
        if former == nil, list[place].reach.lastID > 0 { from = list[place].reach.last }
        if !from.isDefined, item.reached.isDefined {
            from = item.reached.advanced(byNanoseconds: -doubt(of: list[place].channel))
        }
        guard from.isDefined else { return }
        let gap = UnendedGap(from: from, reason: .gatewayLost)
        list[place].beginGap(gap, "", at: now.wall, into: &records)
    }

    // MARK: what is said of them

    /// Sets the state of a feed, and reports it if the feed speaks for its instrument.
    package mutating func report(
        _ state: FeedState.State, of place: Int, _ now: Moment,
        into records: inout [ProviderRecord]
    ) {
        list[place].state = state
        guard !list[place].isFollower else { return }
        records.append(
            .feed(
                FeedState(instrument: list[place].instrument, state: state, time: now.wall)))
    }

    /// The service has confirmed a feed.
    package mutating func confirm(
        _ place: Int, _ now: Moment, into records: inout [ProviderRecord]
    ) {
        // It is taken, and never trades.
        guard !list[place].refusal.isUnknown else { return }
        list[place].refusal.why = ""
        list[place].refusal.isAskedAgain = false
        if list[place].state != .live {
            list[place].refusal.told = ""
            list[place].reach.liveSince = now.wall.advanced(
                byNanoseconds: -list[place].channel.lag.upperBound)
            report(.live, of: place, now, into: &records)
        }
        if !list[place].isAnnounced, !list[place].channel.isPart {
            announce(place, now, into: &records)
        }
        guard !list[place].isProvenByNext else { return }
        guard isDoubted[list[place].channel.link] else {
            let isDense = list[place].channel.proof == .byDenseIDs
            return endGap(
                of: place, isDense ? "no trade id from before it is known" : Self.unknown, now,
                into: &records)
        }
        guard list[place].openGap == nil, !list[place].channel.isPart else { return }
        let gap = UnendedGap(from: list[place].reach.liveSince, reason: .providerLoss)
        list[place].beginGap(gap, "its stream has stopped", at: now.wall, into: &records)
    }

    static let unknown = "nothing tells what was left out"

    private mutating func announce(
        _ place: Int, _ now: Moment, into records: inout [ProviderRecord]
    ) {
        list[place].isAnnounced = true
        if list[place].channel.proof == .byDenseIDs {
            let known = list[place].inherited.filter { $0.ids != nil }
            identified += known.map { (place, $0) }
            list[place].inherited.removeAll { $0.ids != nil }
        } else if list[place].channel.isFilled {
            for gap in list[place].inherited {
                fill((gap.from, gap.to), gap.reason, place, isInherited: true)
            }
            list[place].inherited = []
        }
        list[place].announce(
            subscription(list[place], .start, now), "nothing fetches these records", at: now.wall,
            into: &records)
    }

    private func subscription(
        _ feed: StreamFeed, _ action: SubscriptionAction, _ now: Moment
    ) -> SubscriptionRecord {
        SubscriptionRecord(
            header: feed.header(at: now.wall), action: action, kind: feed.kind,
            mode: feed.channel.lag.upperBound > 0 ? .delayed : .live, provider: settings.provider)
    }

    /// Ends everything: gaps without an end, then the ends of the subscriptions.
    package mutating func stop(_ now: Moment, into records: inout [ProviderRecord]) {
        for place in list.indices where list[place].isAnnounced {
            let feed = list[place]
            let from = complete(place)
            if feed.openGap == nil, from.isDefined {
                records.append(
                    feed.gap((from: from, to: .undefined), .gatewayLost, .open, at: now.wall))
            }
            records.append(.tape(.subscription(subscription(feed, .stop, now))))
            list[place].isAnnounced = false
        }
    }

    // MARK: gaps

    /// A connection has shown an event of this time, which was reported `lag` later (undefined: a
    /// frame had none). What was read may have waited for long, so it vouches for no later time
    /// than its own, whatever time it is.
    package mutating func showed(
        _ time: Timestamp, lag: Int64 = 0, on link: Int, _ now: Moment,
        into records: inout [ProviderRecord]
    ) {
        guard time.isDefined else { return }
        vouch(min(now.wall, time.advanced(byNanoseconds: lag + settings.delayMax)), for: link)
        if isDoubted[link] { endDoubt(link, now, into: &records) }
    }

    private mutating func endDoubt(
        _ link: Int, _ now: Moment, into records: inout [ProviderRecord]
    ) {
        isDoubted[link] = false
        // What is confirmed and not live yet may not be delivered: its gap ends later.
        for place in list.indices
        where list[place].channel.link == link && list[place].on[link].isConfirmed
            && list[place].state == .live
        {
            endGap(of: place, Self.unknown, now, into: &records)
        }
    }

    /// The stream of a connection has stopped, though it answers. Until something comes, on it or
    /// on the next one, all is missing, whatever else it answers. Outside of the market's hours
    /// nothing is: a market that closes stops its stream, too.
    package mutating func doubt(link: Int, _ now: Moment) {
        isDoubted[link] = settings.hours.contain(now.wall)
    }

    /// Ends the doubt when the market's hours do, so that no night is missing.
    package mutating func timePassed(
        on link: Int, _ now: Moment, into records: inout [ProviderRecord]
    ) {
        guard isDoubted[link], !settings.hours.contain(now.wall) else { return }
        endDoubt(link, now, into: &records)
    }

    /// Nothing of a connection is wanted any more, so nothing is missing.
    package mutating func forgetDoubt(link: Int) { isDoubted[link] = false }

    /// A connection has shown nothing for `quiet` nanoseconds, and has not been given up: it has
    /// answered a ping. Nothing that was sent before waits in it. After messages that came densely
    /// that vouches for nothing.
    package mutating func isAlive(
        _ link: Int, quiet: Int64, _ pace: StreamPace, _ now: Moment
    ) {
        guard quiet >= settings.deadMax, !pace.isDense, !isDoubted[link] else { return }
        vouch(clock.present(now).advanced(byNanoseconds: -settings.deadMax), for: link)
    }

    private mutating func vouch(_ time: Timestamp, for link: Int) {
        heard[link] = heard[link].isDefined ? max(heard[link], time) : time
    }

    /// The time up to which a feed is complete; undefined: it never came.
    package func complete(_ place: Int) -> Timestamp {
        let feed = list[place]
        if feed.isProvenByNext { return feed.reach.last }
        let heard = feed.standing.isConfirmed ? heard[feed.channel.link] : .undefined
        let time = feed.complete(heard: heard, delayMax: settings.delayMax)
        guard time.isDefined, clock.floor.isDefined, feed.channel.proof != .byArrival else {
            return time
        }
        // What is not below the floor may still have been under way.
        return min(time, clock.floor.advanced(byNanoseconds: -feed.channel.revisedAfter))
    }

    /// A connection does not deliver a feed any more. If no other one does, what it lacks from now
    /// on is a gap.
    package mutating func endDelivery(
        _ feed: LinkedFeed, _ reason: GapReason, _ why: String, _ now: Moment,
        into records: inout [ProviderRecord]
    ) {
        let (place, link) = (feed.place, feed.link)
        let from = complete(place)
        // The next connection is asked for it again.
        list[place].on[link] = StreamStanding()
        list[place].refusal.isAskedAgain = false
        guard !list[place].isDelivered else { return }
        if !list[place].refusal.isUnknown { list[place].refusal.why = "" }
        if list[place].channel.proof != .byDenseIDs { list[place].reach.lastID = 0 }
        guard list[place].isWanted, list[place].state == .live else { return }
        report(.down, of: place, now, into: &records)
        guard list[place].openGap == nil, from.isDefined, !list[place].channel.isPart else {
            return
        }
        let gap = UnendedGap(from: from, reason: reason)
        list[place].beginGap(gap, why, at: now.wall, into: &records)
    }

    /// Ends the open gap, if there is one: it has an end, and what it lacks stays missing.
    private mutating func endGap(
        of place: Int, _ detail: String, _ now: Moment, into records: inout [ProviderRecord]
    ) {
        guard let gap = list[place].openGap else { return }
        // What is missing has the service's times. The freshest message was under way, too.
        let channel = list[place].channel
        let unknown = channel.proof == .byTime ? Self.unknownClock : 0
        let ahead =
            channel.proof == .byArrival
            ? 0 : clock.ahead.map { $0 > 0 ? $0 + settings.delayMax : 0 } ?? unknown
        let present = now.wall.advanced(byNanoseconds: ahead - channel.lag.lowerBound)
        guard channel.isFilled, list[place].isWanted else {
            return list[place].settleGap(
                present, .abandoned, detail, at: now.wall, into: &records)
        }
        let end = max(present, gap.from.advanced(byNanoseconds: 1))
        list[place].endGap(end, at: now.wall, into: &records)
        fill((gap.from, end), gap.reason, place, isInherited: false)
    }

    // MARK: state

    /// The states of the instruments. `refusal`: why a connection is refused, by its number; empty:
    /// it is not.
    package func shown(refusal: (Int) -> String) -> [ShownFeed] {
        let parts = list.filter(\.isWanted).map { feed in
            var shown = ShownFeed(
                instrument: feed.instrument, name: feed.name, state: feed.state,
                reason: feed.reason, hasOpenGap: feed.openGap != nil)
            if feed.channel.proof == .byDenseIDs { shown.lastID = feed.reach.lastID }
            return ShownFeed.Part(
                shown, isFollower: feed.isFollower,
                refusal: [feed.refusal.why, refusal(feed.channel.link)].first { !$0.isEmpty })
        }
        return ShownFeed.joined(parts)
            + refused.map {
                ShownFeed(
                    instrument: $0.wish.item.number, name: $0.wish.plan.name, state: .refused,
                    reason: $0.reason)
            }
    }
}
