internal import MarketModel
internal import Primitives

// Outages of news. The headlines that were published meanwhile are requested from history, so these
// gaps are filled here and not by the backfill.
extension FeedMachine {
    /// Handles the gap of an outage of news that has ended. Its headlines are requested after
    /// `EngineLimits.borderWait`.
    mutating func fillNews(_ gap: OpenGap, _ place: Int, in turn: inout Turn) {
        guard let slot = entries[place].headlines else {
            return giveUpNews(gap, "headlines are not asked for", in: &turn)
        }
        if headlines.outages.count >= EngineLimits.closingMax {
            let oldest = headlines.outages.removeFirst()
            giveUpNews(oldest.gap, "too many outages wait to be filled in", in: &turn)
        }
        turn.live.putGap(gap, .filling, now: turn.now.wall)
        headlines.outages.append(
            Headlines.Outage(gap: gap, due: turn.later(by: EngineLimits.borderWait)))
        let since = entries[place].slots[slot].since
        if since.isDefined { entries[place].slots[slot].since = min(since, Self.start(of: gap)) }
        requestHeadlinesAgain(place, in: &turn)
    }

    /// Handles the end of an answer with headlines. The answer settles the outages that were due
    /// when its request left. `hasMore`: the server has more headlines than the answer.
    mutating func tookAllHeadlines(_ route: FeedRoute, hasMore: Bool, in turn: inout Turn) {
        // The phase is another one if a message of another kind came under this request's number.
        // Then nothing is settled, and the headlines are requested again for the outages.
        var since = MonotonicTime.distantPast
        if case .asked(let asked) = self[route].phase { since = asked.since }
        let number = entries[route.place].number
        let isSettled: (Headlines.Outage) -> Bool = {
            $0.gap.instrument == number && $0.due <= since
        }
        for outage in headlines.outages where isSettled(outage) {
            settle(outage.gap, hasMore: hasMore, in: &turn)
        }
        headlines.outages.removeAll(where: isSettled)
        finish(route, in: &turn)
        self[route].since = .undefined
        requestHeadlinesAgain(route.place, in: &turn)
    }

    /// Records the outcome of an outage of news: filled, except for what the answer leaves out.
    private func settle(_ gap: OpenGap, hasMore: Bool, in turn: inout Turn) {
        // The answer does not say which headlines it leaves out.
        guard !hasMore else {
            return giveUpNews(gap, "more headlines than an answer holds", in: &turn)
        }
        let oldest = turn.now.wall.advanced(byNanoseconds: -Headlines.reach)
        var (old, rest) = (gap, gap)
        old.to = min(gap.to, max(gap.from, oldest))
        rest.from = old.to
        if old.from < old.to { giveUpNews(old, "too old", in: &turn) }
        guard rest.from < rest.to else { return }
        turn.live.putGap(rest, .filled, "headlines were asked for", now: turn.now.wall)
    }

    /// Requests the headlines of the day once more, for outages that have ended since they came.
    private mutating func requestHeadlinesAgain(_ place: Int, in turn: inout Turn) {
        let number = entries[place].number
        let mine = headlines.outages.filter { $0.gap.instrument == number }
        guard let slot = entries[place].headlines,
            case .done = entries[place].slots[slot].phase,
            let due = mine.map(\.due).min(), let since = mine.map({ Self.start(of: $0.gap) }).min()
        else { return }
        let route = FeedRoute(place: place, slot: slot)
        self[route].since = since
        handle(.ended(.waiting, until: due), route, "an outage of news has ended", in: &turn)
    }

    /// Returns the time from which headlines are requested. It is earlier than the gap, because
    /// clocks differ and headlines are dated by the minute.
    private static func start(of gap: OpenGap) -> Timestamp {
        gap.from.advanced(byNanoseconds: -60 * EngineLimits.second)
    }

    /// Gives up an instrument's outages of news: no more of its headlines will come.
    mutating func giveUpNews(of number: UInt32, _ why: String, in turn: inout Turn) {
        for outage in headlines.outages where outage.gap.instrument == number {
            giveUpNews(outage.gap, why, in: &turn)
        }
        headlines.outages.removeAll { $0.gap.instrument == number }
    }

    private func giveUpNews(_ gap: OpenGap, _ why: String, in turn: inout Turn) {
        turn.live.putGap(gap, .abandoned, why, now: turn.now.wall)
    }
}

extension InstrumentEntry {
    /// The slot that requests headlines of the past; `nil` if there is none.
    var headlines: Int? { slots.firstIndex { $0.feed == .headlines } }
}
