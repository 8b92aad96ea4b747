package import MarketModel
internal import Primitives

// What is wanted: which instruments begin, end, and wait for others.
extension StreamFeeds {
    /// What changes in what is wanted. `gaps` are those that an earlier process left.
    package struct Orders: Sendable {
        package var begun: [BegunInstrument]
        package var ended: [UInt32]
        package var gaps: [OpenGap]

        package init(begun: [BegunInstrument], ended: [UInt32], gaps: [OpenGap] = []) {
            self.begun = begun
            self.ended = ended
            self.gaps = gaps
        }
    }

    /// What a change of what is wanted has brought.
    package struct Changes: Sendable {
        /// The instruments that cannot be delivered.
        package var refusals: [StreamRefusal] = []
        /// The feeds that speak for the instruments that begin.
        package var begun: [Int] = []
        /// The feeds that are not wanted any more of instruments that go on.
        var forgotten: [Int] = []
    }

    /// Changes what is wanted. `plans`: how what begins is asked for.
    package mutating func follow(
        _ orders: Orders, _ plans: [StreamPlan], _ now: Moment,
        into records: inout [ProviderRecord]
    ) -> Changes {
        var changes = Changes()
        let both = Set(orders.begun.map(\.number)).intersection(orders.ended)
        var before: [Int] = []
        // What waits for room has not taken over what an earlier process left.
        let left = refused.filter { both.contains($0.wish.item.number) }.flatMap(\.wish.gaps)
        for number in orders.ended {
            refused.removeAll { $0.wish.item.number == number }
            for place in list.indices
            where list[place].instrument == number && list[place].isWanted {
                list[place].isWanted = false
                list[place].isAnnounced = false
                list[place].state = .starting
                list[place].refusal.why = ""
                // What is in both lists goes on with what it knows.
                if both.contains(number) { before.append(place) } else { forget(place) }
            }
        }
        let wishes = zip(orders.begun, plans).map { item, plan in
            Wish(
                item: item, plan: plan,
                gaps: (orders.gaps + left).filter { $0.instrument == item.number })
        }
        begin(wishes, both, &changes, now, into: &records)
        for place in before where !list[place].isWanted {
            if leave(place, now, into: &records) { changes.forgotten.append(place) }
        }
        return changes
    }

    /// An instrument that is wanted, how it is asked for, and the gaps that an earlier process
    /// left.
    struct Wish: Sendable {
        var item: BegunInstrument
        var plan: StreamPlan
        var gaps: [OpenGap]
    }

    /// An instrument that is not delivered. `waits`: until another one ends.
    struct Refused: Sendable {
        var wish: Wish
        var reason: String
        var waits: Bool
    }

    /// Begins instruments, and those that had to wait for others until now. What goes on keeps its
    /// room, then what waits has its turn.
    private mutating func begin(
        _ wishes: [Wish], _ both: Set<UInt32>, _ changes: inout Changes, _ now: Moment,
        into records: inout [ProviderRecord]
    ) {
        for wish in wishes where both.contains(wish.item.number) {
            begin(wish, &changes, now, into: &records)
        }
        for waiting in refused where waiting.waits {
            if problem(of: waiting.wish)?.waits == true { continue }
            refused.removeAll { $0.wish.item.number == waiting.wish.item.number }
            begin(waiting.wish, &changes, now, into: &records)
        }
        for wish in wishes where !both.contains(wish.item.number) {
            begin(wish, &changes, now, into: &records)
        }
    }

    /// Returns why an instrument cannot be delivered, and whether it waits for the end of another
    /// one; `nil`: it can.
    private func problem(of wish: Wish) -> (reason: String, waits: Bool)? {
        let plan = wish.plan
        if let problem = plan.problem { return (problem, false) }
        let number = wish.item.number
        let isTaken = list.contains {
            $0.isWanted && $0.instrument != number
                && $0.name == plan.names[$0.channel.number] ?? plan.name
        }
        if isTaken { return ("\(plan.name) is asked for by another instrument", true) }
        if let max = settings.streamsMax {
            let others = list.count { $0.isWanted && $0.instrument != number }
            if others + plan.channels.count > max { return (Self.tooMany(max), true) }
        }
        return nil
    }

    private static func tooMany(_ streams: Int) -> String {
        "a connection has at most \(streams) streams"
    }

    /// The streams of one connection, and the instruments for which it has none; `nil`: it has as
    /// many as are wanted.
    var streams: ProviderLimit? {
        settings.streamsMax.map { max in
            let reason = Self.tooMany(max)
            let beyond = refused.count { $0.reason == reason }
            return ProviderLimit(
                .streams, used: list.count(where: \.isWanted), max: max, waiting: beyond,
                reason: beyond > 0 ? reason : "")
        }
    }

    /// Begins an instrument, if it can be delivered.
    private mutating func begin(
        _ wish: Wish, _ changes: inout Changes, _ now: Moment,
        into records: inout [ProviderRecord]
    ) {
        let number = wish.item.number
        if let (reason, waits) = problem(of: wish) {
            refused.append(Refused(wish: wish, reason: reason, waits: waits))
            records.append(
                .feed(FeedState(instrument: number, state: .refused, time: now.wall)))
            changes.refusals.append(StreamRefusal(instrument: number, reason: reason))
            return
        }
        for channel in wish.plan.channels {
            let wanted = Wanted(
                name: wish.plan.names[channel.number] ?? wish.plan.name, channel: channel,
                isFirst: channel == wish.plan.channels[0], absent: wish.plan.absent,
                item: wish.item,
                left: channel.isPart ? [] : wish.gaps.filter { $0.kind == channel.kind })
            let place = begin(wanted, now, into: &records)
            if wanted.isFirst { changes.begun.append(place) }
        }
    }
}
