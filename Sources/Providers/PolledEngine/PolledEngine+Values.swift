internal import EngineKit
internal import MarketModel
internal import Primitives

// A good answer: what it says differently becomes records, and an outage ends.
extension PolledEngine {
    /// Takes the values of an answer, oldest first.
    mutating func take(
        _ values: [PolledValue], of place: Int, asked: Moment, _ now: Moment,
        into out: inout PolledOutput
    ) {
        let isFirst = !series[place].polledTo.isDefined
        let before = series[place].known.last?.start
        let polledBefore = series[place].polledTo
        let settled = silence(before: values, isFirst: isFirst, series[place])
        series[place].dueAt = nextDue(of: series[place], asked.monotonic)
        series[place].heardAt = now.monotonic
        series[place].refusals = 0
        series[place].polledTo = asked.wall
        show(place, .live, "", now, into: &out)
        announce(place, now, into: &out)
        for value in values.suffix(settings.window) {
            take(value, of: place, Novelty(from: settled, isFirst: isFirst), now, into: &out)
        }
        if isFirst, let first = values.first { series[place].oldest = first.start }
        let reaches = before.map { known in values.contains { $0.start <= known } } ?? false
        let mayLack = settings.table.hasPeriods && before != nil && !reaches && !values.isEmpty
        if mayLack, !isFirst, series[place].openGap == nil {
            let detail = "more values came at once than an answer has"
            out.records.append(
                series[place].gap(
                    (from: polledBefore, to: asked.wall), .providerLoss, .abandoned, at: now.wall,
                    detail: detail))
        }
        endOutage(
            of: place, at: asked.wall, hasAll: settings.table.hasPeriods && reaches, now,
            into: &out)
    }

    /// The beginning of the first period whose value is news, if it is not known yet. Of the others
    /// the values are only remembered, so that a later revision shows. After a restart only what is
    /// on the tape is known. Its periods without a revision were all news, so one that is missing
    /// between them had no value yet.
    private func silence(
        before values: [PolledValue], isFirst: Bool, _ one: PolledSeries
    ) -> Timestamp {
        if let newest = one.known.last?.start {
            guard settings.table.hasPeriods else { return newest }
            guard isFirst else { return one.oldest }
            return one.known.first { $0.revision == 0 }?.start ?? newest
        }
        let first = values.suffix(isFirst ? settings.history : values.count).first
        return first?.start ?? Timestamp(nanoseconds: Int64.min)
    }

    private func nextDue(of one: PolledSeries, _ asked: MonotonicTime) -> MonotonicTime {
        // Without this, the time of each answer would add to the period.
        let next = min(one.dueAt, asked) + settings.every
        return next > asked ? next : asked + settings.every
    }

    private mutating func take(
        _ value: PolledValue, of place: Int, _ novelty: Novelty, _ now: Moment,
        into out: inout PolledOutput
    ) {
        // What was known of it is forgotten, so nobody can say whether it is news.
        guard !series[place].hasForgotten(value.start) else { return counters.older &+= 1 }
        let number = value.value ?? IndicatorValue.undefined
        var next = PolledKnown(
            start: value.start, value: number, unit: value.value == nil ? value.text : value.unit,
            revision: 0)
        if let known = series[place].known.first(where: { $0.start == value.start }) {
            next.revision = known.revision
            guard known.value != number || known.unit.map({ $0 != next.unit }) ?? false else {
                counters.unchanged &+= 1
                return series[place].keep(next)
            }
            next.revision = known.revision &+ 1
            counters.revisions &+= 1
        } else if value.start < novelty.from {
            // An older price comes from a cache that is behind; it is no news.
            guard settings.table.hasPeriods else { return counters.older &+= 1 }
            return series[place].keep(next)
        }
        series[place].keep(next)
        guard value.value != nil else { return leaveOut(value, of: place, now, into: &out) }
        counters.values &+= 1
        out.records.append(
            .tape(
                .indicator(
                    IndicatorValue(
                        header: series[place].header(
                            at: now.wall, flags: novelty.isFirst ? .snapshot : []),
                        name: settings.table.field, unit: value.unit, value: number,
                        periodStart: value.start, periodEnd: value.end,
                        revision: next.revision))))
    }

    /// Puts a value that does not fit on record as a gap with its text.
    private mutating func leaveOut(
        _ value: PolledValue, of place: Int, _ now: Moment, into out: inout PolledOutput
    ) {
        counters.misfits &+= 1
        let shown = settings.hidden.line(value.text, PolledLimits.reasonCharactersMax)
        let text = "the value '\(shown)' of \(value.start) does not fit the tape"
        out.note(.misfit(instrument: series[place].instrument, text: text))
        let end = now.wall.advanced(byNanoseconds: 1)
        out.records.append(
            series[place].gap(
                (from: now.wall, to: end), .dropped, .abandoned, at: now.wall, detail: text))
    }

    // MARK: outages

    /// Opens a gap from the last good answer on, unless one is open.
    mutating func beginOutage(
        of place: Int, _ why: String, _ now: Moment, into out: inout PolledOutput
    ) {
        let one = series[place]
        guard one.openGap == nil, one.feed.isAnnounced, one.polledTo.isDefined else { return }
        counters.outages &+= 1
        let gap = UnendedGap(from: one.polledTo, reason: .disconnected)
        series[place].beginGap(gap, why, at: now.wall, into: &out.records)
    }

    /// Ends the open gap, if there is one: first its end, then what became of it. `hasAll` says
    /// that the answer has the value of each period since the last one that was known.
    private mutating func endOutage(
        of place: Int, at end: Timestamp, hasAll: Bool, _ now: Moment,
        into out: inout PolledOutput
    ) {
        let detail =
            hasAll
            ? "the answer after it has each period"
            : "\(settings.table.title) does not say what was in between"
        series[place].settleGap(
            end, hasAll ? .filled : .abandoned, detail, at: now.wall, into: &out.records)
    }
}

/// Which values of an answer are news.
private struct Novelty {
    /// The beginning of the first period whose value is news if it is not known.
    var from: Timestamp
    /// Whether the answer is the first one of this process.
    var isFirst: Bool
}
