internal import IBProtocol
package import MarketModel
package import Primitives

// What an earlier process left in the source of delayed data.
extension FeedMachine {
    /// Takes over what an earlier process recorded of delayed data: until when (`reached`), and the
    /// gaps that it left.
    mutating func continueDelayed(
        reached: [(UInt32, Timestamp)], gaps: [OpenGap], in turn: inout Turn
    ) {
        for gap in gaps {
            let place = place(of: gap.instrument)
            guard let place, !gap.to.isDefined, entries[place].level1 != nil else {
                turn.delayed.putGap(gap, .abandoned, Self.notFilled, now: turn.now.wall)
                continue
            }
            turn.delayed.continueGap(gap)
        }
        for (number, time) in reached where time.isDefined {
            if let place = place(of: number) { entries[place].delayedReached = time }
        }
        for place in entries.indices where entries[place].isActive {
            if entries[place].isLive || turn.settings.delayed == .never {
                endDelayed(place, "no delayed data come", in: &turn)
            }
            guard let level1 = entries[place].level1 else { continue }
            let route = FeedRoute(place: place, slot: level1)
            guard let live = self[route].phase.live else { continue }
            settleDelayed(route, in: &turn)
            guard self[route].isDelivering, self[route].outlet == .delayed else { continue }
            for kind in self[route].kinds.kinds {
                let end = kind == .trade ? self[route].delayedEnd(live.since) : live.since
                endDelayed(place, kind, to: end, in: &turn)
            }
        }
    }

    /// Decides what became of the delayed data of an earlier process, now that it is known whether
    /// live or delayed ones come. Delayed ones are missing in between. Where live ones come, the
    /// delayed ones have ended.
    mutating func settleDelayed(_ route: FeedRoute, in turn: inout Turn) {
        let entry = entries[route.place]
        let reached = entry.delayedReached
        guard self[route].feed == .marketData || self[route].feed.lines == .tickByTick else {
            return
        }
        guard self[route].outlet == .delayed else {
            let isLive = entry.level1 == route.slot || entry.isLive
            if isLive { endDelayed(route.place, "live data come", in: &turn) }
            return
        }
        entries[route.place].delayedReached = .undefined
        guard reached.isDefined else { return }
        for kind in self[route].kinds.kinds {
            // Delayed trades have their own times, so the last ones are this much older.
            let lag = kind == .trade ? delayedLag : 0
            let gap = OpenGap(
                instrument: entry.number, kind: kind, from: reached.advanced(byNanoseconds: -lag),
                to: .undefined, reason: .gatewayLost)
            turn.delayed.beginGap(gap, "the gateway was not there", now: turn.now.wall)
        }
    }

    /// Ends an open gap of delayed data, which is not filled in.
    func endDelayed(_ place: Int, _ kind: DataKind, to: Timestamp, in turn: inout Turn) {
        turn.delayed.abandonGap(
            entries[place].number, kind, to: to, Self.notFilled, now: turn.now.wall)
    }

    /// Ends what the source of delayed data has open of an instrument: its gaps, and the
    /// subscriptions of an earlier process.
    mutating func endDelayed(_ place: Int, _ reason: String, in turn: inout Turn) {
        for kind in KindSet.everything {
            endDelayed(place, kind, to: turn.now.wall, in: &turn)
        }
        let entry = entries[place]
        guard entry.delayedReached.isDefined else { return }
        entries[place].delayedReached = .undefined
        turn.delayed.put(
            .subscription(
                SubscriptionRecord(
                    header: turn.header(entry.number), action: .stop, kind: .any, mode: .delayed,
                    provider: turn.settings.provider, reason: reason.cutToReason)))
    }

    /// Returns the kinds of live data of an instrument that may be missing since an earlier process
    /// recorded them. Where delayed data are wanted instead, the live ones end.
    mutating func liveKinds(at place: Int, in turn: inout Turn) -> [DataKind] {
        guard turn.settings.delayed == .always else { return kinds(at: place) }
        turn.live.put(
            .subscription(
                SubscriptionRecord(
                    header: turn.header(entries[place].number), action: .stop, kind: .any,
                    mode: .live, provider: turn.settings.provider,
                    reason: "IBKR_DELAYED=true asks for nothing live")))
        return []
    }
}

extension IBEngine {
    /// Takes over what the source of delayed data has on the tape, once that source is open:
    /// `reached` is, per instrument, the time up to which it was recorded, as in `follow`.
    package mutating func continueDelayed(
        reached: [(UInt32, Timestamp)], gaps: [OpenGap], _ now: Moment, into out: inout Output
    ) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        feeds.continueDelayed(reached: reached, gaps: gaps, in: &turn)
        sendAndReport()
    }
}
