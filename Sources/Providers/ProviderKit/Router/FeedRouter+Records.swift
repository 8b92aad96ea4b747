package import MarketModel
internal import Primitives

// Decides about each record of a provider: it is *kept*, that is, passed on to the tape, or left
// out and counted. Where a switch happens, the router inserts records about it.
extension FeedRouter {
    /// Handles a provider's batch, in order, and appends the kept records to `kept`. `provider` is
    /// its index in `providers`.
    package mutating func pass(
        _ batch: [ProviderRecord], from provider: Int, _ now: Moment,
        into kept: inout [ProviderRecord]
    ) {
        for record in batch {
            if case .feed(let state) = record {
                note(state, of: provider, now)
                continue
            }
            guard let header = record.header, header.symbol != TickHeader.noSymbol else {
                kept.append(record)
                continue
            }
            guard header.symbol < routes.count, var route = routes[Int(header.symbol)],
                let rank = route.rank(of: provider)
            else {
                leftOut[provider] &+= 1
                continue
            }
            if let passed = pass(record, header, rank, &route, into: &kept) {
                kept.append(passed)
                let isAhead = header.eventTime.nanoseconds(since: now.wall) > Self.aheadMax
                if let kind = passed.kind, !isAhead {
                    route.reached = max(route.reached, header.eventTime)
                    let isLive = !header.flags.contains(.backfilled) && rank == route.active
                    if isLive { route.deliveredKinds |= 1 << UInt16(kind.rawValue) }
                }
            } else {
                leftOut[provider] &+= 1
            }
            routes[Int(header.symbol)] = route
        }
    }

    /// A tick that is stamped further ahead than this, in nanoseconds, does not move `reached`: a
    /// wrong stamp must not decide from when on another provider's records are kept.
    private static let aheadMax: Int64 = 2_000_000_000

    /// Notes the state that a provider reports of its feed.
    private mutating func note(_ state: FeedState, of provider: Int, _ now: Moment) {
        guard state.instrument < routes.count,
            let rank = routes[Int(state.instrument)]?.rank(of: provider),
            routes[Int(state.instrument)]?.feeds[rank].state != state.state
        else { return }
        routes[Int(state.instrument)]?.feeds[rank].state = state.state
        routes[Int(state.instrument)]?.feeds[rank].since = now.monotonic
    }

    /// Returns the record to keep, which may be cut; `nil` when it is left out, because another
    /// provider feeds the instrument at its time. Records of a switch before it go into `kept`.
    private func pass(
        _ record: ProviderRecord, _ header: TickHeader, _ rank: Int, _ route: inout InstrumentRoute,
        into kept: inout [ProviderRecord]
    ) -> ProviderRecord? {
        switch record {
        case .tape(.gap(let gap)):
            return clipped(gap, rank, &route, into: &kept).map { .tape(.gap($0)) }
        case .tape(.subscription(let subscription)):
            let isStart = subscription.action == SubscriptionAction.start.rawValue
            if isStart { route.feeds[rank].mode = subscription.mode }
            guard rank == route.active else { return nil }
            if isStart { noteArrival(header, rank, &route, into: &kept) }
            return record
        default:
            if !header.flags.contains(.backfilled) {
                noteArrival(header, rank, &route, into: &kept)
            }
            return route.isFeeder(rank, at: header.eventTime) ? record : nil
        }
    }

    /// Completes a pending switch, if this is the new provider's first live record (or the first
    /// after the time of the switch).
    private func noteArrival(
        _ header: TickHeader, _ rank: Int, _ route: inout InstrumentRoute,
        into kept: inout [ProviderRecord]
    ) {
        guard let pending = route.pending, rank == route.active else { return }
        if pending.at.isDefined {
            guard header.eventTime >= pending.at else { return }
            recordSwitch(pending, &route, header.symbol, into: &kept)
            return
        }
        // What the previous provider delivered before this record must not come twice.
        let from = max(header.eventTime, route.reached.advanced(byNanoseconds: 1))
        route.beginSpan(rank, from: from)
        recordSwitch(
            InstrumentRoute.Pending(
                previous: pending.previous, at: route.spans.last?.from ?? from,
                wasLost: pending.wasLost), &route, header.symbol, into: &kept)
    }

    /// Records a switch: the previous provider's outages end at `pending.at`. If it stopped without
    /// reporting an outage, a gap record does that. Then a record says that the new provider
    /// delivers from here on. The previous provider still fills its own outages.
    func recordSwitch(
        _ pending: InstrumentRoute.Pending, _ route: inout InstrumentRoute, _ number: UInt32,
        into records: inout [ProviderRecord]
    ) {
        route.pending = nil
        let to = providers[route.providers[route.active]]
        let header = TickHeader(
            symbol: number, providerTime: .undefined, receiveTime: pending.at, providerID: 0)
        let unreported = pending.wasLost ? route.unreportedOutages(of: pending.previous) : []
        let recorded = route.outages.filter { $0.rank == pending.previous }
        for outage in unreported + recorded where outage.from < pending.at {
            let gap = outage.gap(to: pending.at, header, detail: Self.delivers(to))
            records.append(.gap(gap))
        }
        // One that would begin now or later has no time of the previous provider.
        for outage in recorded where outage.from >= pending.at {
            records += nothing(of: outage, header)
        }
        route.deliveredKinds = 0
        route.outages.removeAll { $0.rank == pending.previous }
        records.append(
            .subscription(
                SubscriptionRecord(
                    header: header, action: .switchProvider, kind: .any,
                    mode: FeedMode(rawValue: route.feeds[route.active].mode) ?? .unknown,
                    provider: to, previousProvider: providers[route.providers[pending.previous]],
                    reason: "by priority and state of the feeds")))
    }

    /// Returns the text with which a gap ends because another provider delivers.
    private static func delivers(_ provider: String) -> String {
        "\(provider) delivers from here on"
    }

    /// Records the end of an instrument that is no longer requested. What its providers report
    /// about that comes later and is left out. So the router itself ends the outages, as given up.
    /// An outage without an end would also cover the time in which the instrument is requested
    /// again, and ticks of that time would be fetched although they were delivered.
    func recordEnd(
        _ route: InstrumentRoute, _ number: UInt32, _ now: Timestamp,
        into records: inout [ProviderRecord]
    ) {
        let header = TickHeader(
            symbol: number, providerTime: .undefined, receiveTime: now, providerID: 0)
        let reason = "not followed any more"
        for outage in route.unfinished {
            // An outage may begin in the near future, at the time of a return. Its gap must not be
            // empty.
            let to = max(now, outage.from.advanced(byNanoseconds: 1))
            var gap = outage.gap(to: to, header)
            records.append(.gap(gap))
            gap.state = GapState.abandoned.rawValue
            gap.detail = reason
            records.append(.gap(gap))
        }
        records.append(
            .subscription(
                SubscriptionRecord(
                    header: header, action: .stop, kind: .any,
                    mode: FeedMode(rawValue: route.feeds[route.active].mode) ?? .unknown,
                    provider: providers[route.providers[route.active]], reason: reason)))
    }

    /// Handles an instrument that begins again: hands its former route over to the new one. If the
    /// new first provider had it before, that provider continues, and itself reports what it leaves
    /// out in between. Outages of other providers end here.
    func carryOver(
        _ former: InstrumentRoute, to route: inout InstrumentRoute, _ number: UInt32,
        _ now: Timestamp,
        into records: inout [ProviderRecord]
    ) {
        let to = route.providers[0]
        let header = TickHeader(
            symbol: number, providerTime: .undefined, receiveTime: now, providerID: 0)
        // Only the provider of the last span goes on.
        let goesOn = former.spans.last.flatMap { former.providers[$0.rank] == to ? $0.rank : nil }
        for outage in former.unfinished where outage.rank != goesOn {
            let end = max(now, outage.from.advanced(byNanoseconds: 1))
            let gap = outage.gap(to: end, header, detail: Self.delivers(providers[to]))
            records.append(.gap(gap))
        }
        route.carryOver(former, now)
        // An outage may begin in the near future, at the time of a return. From now on nobody else
        // delivers the time before, so it begins earlier.
        for place in route.outages.indices {
            let from = max(route.outages[place].reported, now)
            guard from < route.outages[place].from else { continue }
            records += nothing(of: route.outages[place], header)
            route.outages[place].from = from
            records.append(.gap(route.outages[place].gap(to: .undefined, header)))
        }
    }

    /// Returns the records by which an outage ends of whose time on the tape nothing is missing, or
    /// of which another outage says that.
    private func nothing(
        of outage: InstrumentRoute.Outage, _ header: TickHeader
    ) -> [ProviderRecord] {
        var gap = outage.gap(to: outage.from.advanced(byNanoseconds: 1), header)
        let end = gap
        gap.state = GapState.filled.rawValue
        return [.tape(.gap(end)), .tape(.gap(gap))]
    }

    /// Cuts a provider's gap record to the provider's span, and notes whether the gap has an end;
    /// `nil` when no part of the gap is in its span. An outage that was over before the span began
    /// ends in `kept`.
    private func clipped(
        _ gap: GapRecord, _ rank: Int, _ route: inout InstrumentRoute,
        into kept: inout [ProviderRecord]
    ) -> GapRecord? {
        let part = route.part(of: gap.from, gap.to, by: rank)
        var outage = InstrumentRoute.Outage(
            rank: rank, kind: gap.kind, reported: gap.from, from: part?.from ?? gap.from,
            reason: gap.reason)
        if gap.to.isDefined, let known = route.outages.firstIndex(where: { $0.isSame(as: outage) })
        {
            outage = route.outages.remove(at: known)
            if part == nil { kept += nothing(of: outage, gap.header) }
        }
        guard let part else { return nil }
        var gap = gap
        (gap.from, gap.to) = (outage.from, max(part.to, outage.from.advanced(byNanoseconds: 1)))
        if !gap.to.isDefined { route.note(outage) }
        return gap
    }
}
