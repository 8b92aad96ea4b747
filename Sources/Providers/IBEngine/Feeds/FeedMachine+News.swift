internal import MarketModel
internal import Primitives

// Outages of news: what was published meanwhile comes with the headlines of the past.
extension FeedMachine {
    /// One has ended. Its headlines are asked for when those that were on their way have come.
    mutating func fillNews(
        _ gap: OpenGap, _ place: Int, _ now: Moment, _ out: inout IBEngine.Output
    ) {
        guard let slot = entries[place].headlines else {
            return giveUpNews(gap, "headlines are not asked for", now, &out)
        }
        if headlines.outages.count >= EngineLimits.closingMax {
            let oldest = headlines.outages.removeFirst()
            giveUpNews(oldest.gap, "too many outages wait to be filled in", now, &out)
        }
        out.records.append(.gap(gap.record(.filling, now: now.wall)))
        headlines.outages.append(
            Headlines.Outage(gap: gap, due: now.monotonic.later(by: EngineLimits.borderWait)))
        let since = entries[place].slots[slot].since
        if since.isDefined { entries[place].slots[slot].since = min(since, Self.start(of: gap)) }
        recallHeadlines(place, now, &out)
    }

    /// An answer is complete: it settles the outages that had ended when it was asked for.
    mutating func tookAllHeadlines(
        _ route: FeedRoute, hasMore: Bool, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        let slot = entries[route.place].slots[route.slot]
        let number = entries[route.place].number
        let isSettled: (Headlines.Outage) -> Bool = {
            $0.gap.instrument == number && $0.due <= slot.asked
        }
        for outage in headlines.outages where isSettled(outage) {
            settle(outage.gap, hasMore: hasMore, now, &out)
        }
        headlines.outages.removeAll(where: isSettled)
        finish(route, now, &tools, &out)
        entries[route.place].slots[route.slot].since = .undefined
        recallHeadlines(route.place, now, &out)
    }

    private func settle(
        _ gap: OpenGap, hasMore: Bool, _ now: Moment, _ out: inout IBEngine.Output
    ) {
        // Nobody says which of them an answer leaves out.
        guard !hasMore else {
            return giveUpNews(gap, "more headlines than an answer holds", now, &out)
        }
        let oldest = now.wall.advanced(byNanoseconds: -Headlines.reach)
        var (old, rest) = (gap, gap)
        old.to = min(gap.to, max(gap.from, oldest))
        rest.from = old.to
        if old.from < old.to { giveUpNews(old, "too old", now, &out) }
        guard rest.from < rest.to else { return }
        out.records.append(
            .gap(rest.record(.filled, detail: "headlines were asked for", now: now.wall)))
    }

    /// Those of a day have come; of an outage that has ended since they are asked for once more.
    private mutating func recallHeadlines(
        _ place: Int, _ now: Moment, _ out: inout IBEngine.Output
    ) {
        let number = entries[place].number
        let mine = headlines.outages.filter { $0.gap.instrument == number }
        guard let slot = entries[place].headlines, entries[place].slots[slot].state == .done,
            let due = mine.map(\.due).min(), let since = mine.map({ Self.start(of: $0.gap) }).min()
        else { return }
        entries[place].slots[slot].due = due
        entries[place].slots[slot].since = since
        set(
            FeedRoute(place: place, slot: slot), .waiting, "an outage of news has ended", now, &out)
    }

    /// Clocks differ, and headlines are dated by the minute.
    private static func start(of gap: OpenGap) -> Timestamp {
        gap.from.advanced(byNanoseconds: -60 * EngineLimits.second)
    }

    /// Of an instrument's headlines nothing more will come.
    mutating func giveUpNews(
        of number: UInt32, _ why: String, _ now: Moment, _ out: inout IBEngine.Output
    ) {
        for outage in headlines.outages where outage.gap.instrument == number {
            giveUpNews(outage.gap, why, now, &out)
        }
        headlines.outages.removeAll { $0.gap.instrument == number }
    }

    private func giveUpNews(
        _ gap: OpenGap, _ why: String, _ now: Moment, _ out: inout IBEngine.Output
    ) {
        out.records.append(.gap(gap.record(.abandoned, detail: why, now: now.wall)))
    }
}

extension InstrumentEntry {
    /// Where its headlines of the past are asked for.
    var headlines: Int? { slots.firstIndex { $0.feed == .headlines } }
}
