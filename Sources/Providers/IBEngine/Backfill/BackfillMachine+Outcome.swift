internal import IBProtocol
internal import MarketModel
internal import Primitives

// The outcome of gaps, and the gap records about it. A record of a part of a gap is `filled` or
// `abandoned`; in the end the parts cover the gap.
extension BackfillMachine {
    /// Records that a gap is being filled, once, before its first request. The part at its
    /// beginning that is not requested is abandoned.
    func recordBeginning(
        _ job: inout BackfillJob, now: Moment, into records: inout [ProviderRecord]
    ) {
        guard !job.progress.hasBegun else { return }
        job.progress.hasBegun = true
        let gap = job.gap
        records.append(job.record(.filling, gap.from, gap.to, "", at: now.wall))
        let start = min(gap.to, WholeSecond.start(job.seconds.lowerBound))
        guard job.isExact || job.isTooOld, start > gap.from else { return }
        let why = job.isTooOld ? "too old" : Self.unknownArrivals
        records.append(job.record(.abandoned, gap.from, start, why, at: now.wall))
        job.progress.reportedUpTo = start
    }

    /// The reasons in records of parts that are abandoned.
    static let unknownArrivals = "what arrived in this part is not known"
    static let unprovenEnd = "history does not show that it has come so far"
    static let leftOut = "something arrived in this second, and cannot be compared"

    /// Records how far a page fills the gap. `added`: the ticks that the page has added; if there
    /// are none, a later page records this part too. The outcome of the last page is left to
    /// `finish`.
    func report(
        _ job: inout BackfillJob, _ extent: HistoryPage.Extent, _ added: AddedTicks, now: Moment,
        into records: inout [ProviderRecord]
    ) {
        let end = WholeSecond.start(extent.upTo)
        let isLast = extent.upTo >= job.seconds.upperBound
        let cut = WholeSecond.start(extent.upTo - 1)
        if extent.isCut {
            // The last second stays incomplete, although ticks were added to it.
            fill(&job, cut, added.before(extent.upTo - 1), now: now, into: &records)
            let why = "more ticks in this second than an answer holds"
            records.append(job.record(.abandoned, cut, end, why, at: now.wall))
            job.progress.reportedUpTo = max(job.progress.reportedUpTo, min(end, job.gap.to))
        } else if added.count > 0, !isLast {
            fill(&job, end, added, now: now, into: &records)
        } else if isLast {
            job.progress.lastAdded = added
        }
    }

    /// Ends a gap when the answers to all its requests have come. A gap of ticks for which only
    /// bars could be fetched is abandoned, because its ticks are still missing.
    mutating func finish(
        _ job: BackfillJob, now: Moment, into records: inout [ProviderRecord]
    ) {
        var job = job
        counters.barsAdded += UInt64(job.progress.barsAdded)
        guard !job.isStandIn else {
            counters.abandoned += 1
            abandon(
                &job, job.gap.to, "bars only: \(job.reason)", now: now, into: &records)
            return
        }
        counters.filled += 1
        let end = job.isExact ? WholeSecond.start(job.seconds.upperBound) : job.barsUntil
        fill(&job, min(end, job.gap.to), job.progress.lastAdded, now: now, into: &records)
        let why = job.isUnproven ? Self.unprovenEnd : Self.unknownArrivals
        abandon(&job, job.gap.to, why, now: now, into: &records)
    }

    /// Abandons the rest of a gap.
    mutating func abandon(
        _ job: BackfillJob, _ why: String, now: Moment, into records: inout [ProviderRecord]
    ) {
        var job = job
        counters.abandoned += 1
        counters.barsAdded += UInt64(job.progress.barsAdded)
        let detail = job.reason.isEmpty ? why : "\(why); no ticks: \(job.reason)"
        abandon(&job, job.gap.to, detail, now: now, into: &records)
    }

    /// Requests bars for the rest of a gap whose ticks cannot be fetched, for the reason `why`. The
    /// rest is abandoned if it has no whole second, or if bars were requested already.
    mutating func fallBackToBars(
        _ job: BackfillJob, _ why: String, now: Moment, into records: inout [ProviderRecord]
    ) {
        guard case .ticks(let kind) = job.means else {
            abandon(job, why, now: now, into: &records)
            return
        }
        let start = max(job.seconds.lowerBound, WholeSecond.ceiling(job.gap.from))
        let end = min(job.seconds.upperBound, WholeSecond.floor(job.gap.to))
        guard start < end else {
            abandon(job, why, now: now, into: &records)
            return
        }
        var job = job
        job.means = .bars(kind, width: FetchedBars.standInSeconds)
        job.seconds = start..<end
        job.reason = why
        job.page = HistoryPage()
        (job.progress.pages, job.progress.failures) = (0, 0)
        job.due = now.monotonic
        waitingJobs.append(job)
    }

    /// Handles a failed request that may succeed later. It is repeated, up to
    /// `BackfillLimits.attemptsMax` times in a row.
    mutating func fail(
        _ job: BackfillJob, _ why: String, now: Moment, into records: inout [ProviderRecord]
    ) {
        guard !isHistoryDown else {
            return postpone(job, limits.retry.first.clampedNanoseconds, now: now)
        }
        var job = job
        job.progress.failures += 1
        guard job.progress.failures < limits.attemptsMax else {
            fallBackToBars(job, "\(why), \(job.progress.failures) times", now: now, into: &records)
            return
        }
        postpone(job, limits.retry.nanoseconds(after: job.progress.failures - 1), now: now)
    }

    /// Puts the job back, to be requested again in `wait` nanoseconds.
    mutating func postpone(_ job: BackfillJob, _ wait: Int64, now: Moment) {
        var job = job
        job.page = HistoryPage()
        job.due = now.monotonic + wait
        waitingJobs.append(job)
    }

    /// Records the gap as filled up to `end`, except the seconds that are left out. The record also
    /// covers the seconds of a border before or after, if ticks were added there.
    private func fill(
        _ job: inout BackfillJob, _ end: Timestamp, _ added: AddedTicks, now: Moment,
        into records: inout [ProviderRecord]
    ) {
        var from = job.progress.reportedUpTo
        var to = min(end, job.gap.to)
        if let first = added.first { from = min(from, WholeSecond.start(first)) }
        if let last = added.last { to = max(to, WholeSecond.start(last + 1)) }
        guard from < to else { return }
        let detail =
            job.progress.ticksAdded == 1 ? "1 tick added" : "\(job.progress.ticksAdded) ticks added"
        for second in job.arrived.leftOut {
            let (start, next) = (WholeSecond.start(second), WholeSecond.start(second + 1))
            guard start >= from, next <= to else { continue }
            if from < start {
                records.append(job.record(.filled, from, start, detail, at: now.wall))
            }
            records.append(job.record(.abandoned, start, next, Self.leftOut, at: now.wall))
            from = next
        }
        if from < to { records.append(job.record(.filled, from, to, detail, at: now.wall)) }
        job.progress.reportedUpTo = max(job.progress.reportedUpTo, to)
    }

    /// Records the rest of the gap before `end` as abandoned.
    private func abandon(
        _ job: inout BackfillJob, _ end: Timestamp, _ why: String, now: Moment,
        into records: inout [ProviderRecord]
    ) {
        let end = min(end, job.gap.to)
        guard job.progress.reportedUpTo < end else { return }
        records.append(job.record(.abandoned, job.progress.reportedUpTo, end, why, at: now.wall))
        job.progress.reportedUpTo = end
    }
}
