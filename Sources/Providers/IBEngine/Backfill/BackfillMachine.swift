package import IBProtocol
package import MarketModel
package import Primitives

/// The gaps that are being filled, and their requests for history. `FeedMachine` adds a gap after
/// its outage; `IBEngine` sends the requests through pacing, and hands in the answers.
///
/// - A *job* is a gap that is being filled, a *page* one complete answer of history to it.
/// - At the borders of a gap, history has ticks that arrived live too. So a tick of history is
///   *added* to the tape only if it is not among the arrivals.
///
/// A gap is requested page by page. What a page completes goes to the tape in one batch with a
/// record that reports it. So an answer that breaks off leaves nothing on the tape, and the next
/// connection, or the next process, continues after the last record.
package struct BackfillMachine: Sendable {
    let limits: BackfillLimits
    /// The gaps without an open request, in the order of their turns.
    var waitingJobs: [BackfillJob] = []
    /// The gaps with an open request, by the number of the request.
    var open: [Int32: BackfillJob] = [:]
    /// The ticks that were added near the ends of gaps.
    var borders = BackfillBorders()
    /// The server's version reports sizes of stocks in hundreds of shares.
    package var historySizesAreLots = false
    /// The vendor's history is down, or the platform has lost its vendor. A request that fails or
    /// is refused now is repeated, and the failure is not counted.
    package var isHistoryDown = false
    /// Counts since the start.
    package internal(set) var counters = BackfillCounters()
    /// When `next` has something to do, monotonic; `never`: only an answer or a new gap gives it
    /// work.
    package private(set) var nextDue = MonotonicTime.never

    package init(_ limits: BackfillLimits) { self.limits = limits }

    /// The number of gaps that are not filled yet.
    package var waiting: Int { waitingJobs.count + open.count }

    /// Returns whether an answer, or the rest of one, is still expected to this request. If not,
    /// the server does not count it as open any more.
    package func isOpen(_ request: Int32) -> Bool { open[request] != nil }

    /// Adds a gap that has ended. With known arrivals the call comes `EngineLimits.borderWait`
    /// after the outage, so that they are complete. `feeds`: what is wanted of the instrument,
    /// which decides what is requested and how it is compared. `hours`: when the contract trades;
    /// `nil`: that is not known. A gap without an end, or an empty one, is ignored. A gap that
    /// cannot be filled is abandoned.
    package mutating func add(
        _ gap: OpenGap, contract: Contract, feeds: Instrument.Feeds, arrivals: Arrivals,
        hours: SessionHours? = nil, now: Moment, into records: inout [ProviderRecord]
    ) {
        guard gap.to.isDefined, gap.from < gap.to else { return }
        defer { updateDue() }
        guard let (means, comparison) = Self.means(of: gap.kind, feeds, contract) else {
            let job = BackfillJob(gap, contract, .ticks(.trades), 0..<0)
            // History has midpoints, but the only ticks that are requested are trades and quotes.
            let isOfMidpoints = gap.kind == .indicator && feeds.contains(.midpoints)
            let why =
                isOfMidpoints ? "midpoints are not fetched" : "history has none of this kind"
            abandon(job, why, now: now, into: &records)
            return
        }
        let firstWhole = WholeSecond.ceiling(gap.from)
        let wholeUntil = WholeSecond.floor(gap.to)
        var seconds = firstWhole..<max(firstWhole, wholeUntil)
        var leftOut: [Int64] = []
        switch comparison {
        case .tickByTick where arrivals.areConflated, .conflated:
            (seconds, leftOut) = secondsWithoutArrivals(arrivals, gap, comparison)
        case .tickByTick: seconds = exactSeconds(gap, arrivals)
        case .none: break
        }
        var barsUntil = gap.to
        if case .bars(_, let width) = means {
            // The first missing bar ended in the gap, and may have begun before it.
            let start = WholeSecond.floor(gap.from) - width
            seconds = start..<max(start, wholeUntil)
            // The bar with which the feed came back ended before the gap's end, and is on the tape.
            // Unknown arrivals do not contain it, so no bar that ends so late is added.
            let isUnknown = arrivals.ticks.isEmpty && !arrivals.until.isDefined
            if isUnknown { barsUntil = gap.to.advanced(byNanoseconds: -EngineLimits.barLag) }
        }
        var job = BackfillJob(gap, contract, means, seconds)
        job.barsUntil = max(gap.from, barsUntil)
        job.arrived.leftOut = leftOut
        job.hours = hours
        // Level 1 has unreported prints, and a feed of all trades has them too.
        job.wantsUnreported = feeds.contains(.allTrades) || !feeds.contains(.trades)
        job.isExact = comparison != .none
        let oldest = WholeSecond.floor(
            now.wall.advanced(byNanoseconds: -limits.ageMax.clampedNanoseconds))
        if seconds.lowerBound < oldest {
            job.seconds = oldest..<max(oldest, seconds.upperBound)
            job.isTooOld = true
        }
        guard !job.seconds.isEmpty else {
            let why = job.isTooOld ? "too old" : "shorter than history's seconds"
            abandon(job, why, now: now, into: &records)
            return
        }
        countArrivals(arrivals, into: &job)
        makeRoom(now: now, into: &records)
        waitingJobs.append(job)
    }

    /// Appends the requests that are due, with numbers from `ids`. A request without an answer in
    /// time is given up, and its cancel is appended.
    package mutating func next(
        now: Moment, ids: inout RequestIDs, into requests: inout [IBRequest],
        into records: inout [ProviderRecord]
    ) {
        for id in open.keys.sorted() {
            guard let job = open[id], job.due <= now.monotonic else { continue }
            open[id] = nil
            counters.unanswered += 1
            requests.append(.cancelHistory(id: id))
            fail(job, "no answer", now: now, into: &records)
        }
        while open.count < limits.requestsOpenMax,
            let index = waitingJobs.firstIndex(where: { $0.due <= now.monotonic })
        {
            var job = waitingJobs.remove(at: index)
            recordBeginning(&job, now: now, into: &records)
            let id = ids.next()
            job.due = now.monotonic.advanced(by: limits.sendWait)
            requests.append(job.request(id: id, count: limits.pageTicks))
            open[id] = job
        }
        updateDue()
    }

    /// Notes that the request has left pacing. Its answer is expected from now on.
    package mutating func sent(_ request: Int32, now: MonotonicTime) {
        guard open[request] != nil else { return }
        open[request]?.due = now.advanced(by: limits.answerWait)
        updateDue()
    }

    /// Notes that pacing's queue was full. The gap is requested again later.
    package mutating func notSent(_ request: Int32, now: MonotonicTime) {
        guard var job = open.removeValue(forKey: request) else { return }
        job.due = now.advanced(by: limits.retry.first)
        waitingJobs.append(job)
        updateDue()
    }

    /// Notes that no answer will come to open requests. They are repeated on the next connection.
    package mutating func disconnected(now: MonotonicTime) {
        let jobs = open.keys.sorted().compactMap { open[$0] }
        open = [:]
        waitingJobs.insert(
            contentsOf: jobs.map { job in
                var job = job
                job.page = HistoryPage()
                job.due = now
                return job
            }, at: 0)
        updateDue()
    }

    /// Abandons the gaps of an instrument that is no longer wanted.
    package mutating func drop(
        instrument: UInt32, now: Moment, into requests: inout [IBRequest],
        into records: inout [ProviderRecord]
    ) {
        let why = "not followed any more"
        for id in open.keys.sorted() {
            guard let job = open[id], job.gap.instrument == instrument else { continue }
            open[id] = nil
            requests.append(.cancelHistory(id: id))
            abandon(job, why, now: now, into: &records)
        }
        for job in waitingJobs where job.gap.instrument == instrument {
            abandon(job, why, now: now, into: &records)
        }
        waitingJobs.removeAll { $0.gap.instrument == instrument }
        borders.forget(instrument: instrument)
        updateDue()
    }

    /// Sets `nextDue`, after any change of the gaps.
    mutating func updateDue() {
        var due = open.values.reduce(MonotonicTime.never) { min($0, $1.due) }
        if open.count < limits.requestsOpenMax {
            due = waitingJobs.reduce(due) { min($0, $1.due) }
        }
        nextDue = due
    }

    /// How history is compared with what arrived.
    private enum Comparison {
        /// Each tick of history is looked up among the arrivals.
        case tickByTick
        /// The ticks came by level 1, which combines several, so their number is not that of
        /// history. Only seconds without an arrival are filled.
        case conflated
        /// There are no ticks to compare: bars are recognized by their times.
        case none
    }

    /// Returns what is requested for a kind, and how it is compared; `nil`: history has none of
    /// this kind.
    private static func means(
        of kind: DataKind, _ feeds: Instrument.Feeds, _ contract: Contract
    ) -> (BackfillJob.Means, Comparison)? {
        switch kind {
        case .trade:
            guard let ticks = contract.kind.tradeHistory else { return nil }
            let isTickByTick = !feeds.isDisjoint(with: [.trades, .allTrades])
            return (.ticks(ticks), isTickByTick ? .tickByTick : .conflated)
        case .quote:
            guard contract.kind.hasQuotes else { return nil }
            return (.ticks(.bidAsk), feeds.contains(.quotes) ? .tickByTick : .conflated)
        case .providerBar:
            return (.bars(contract.kind.barKind, width: FetchedBars.liveSeconds), .none)
        case .any, .depth, .optionComputation, .news, .fundamental, .indicator: return nil
        }
    }

    /// Returns the seconds to request when ticks are compared with the arrivals. The seconds of the
    /// borders are included, as far as the arrivals in them are known.
    private func exactSeconds(_ gap: OpenGap, _ arrivals: Arrivals) -> Range<Int64> {
        let border = limits.borderSeconds
        var start = firstWithoutArrivals(gap)
        if arrivals.since.isDefined {
            start = max(WholeSecond.floor(gap.from) - border, WholeSecond.ceiling(arrivals.since))
        }
        start = max(start, borders.known(BackfillBorders.Key(gap)))
        let end =
            arrivals.until.isDefined
            ? min(WholeSecond.ceiling(gap.to) + border, WholeSecond.floor(arrivals.until))
            : WholeSecond.floor(gap.to) - border
        return start..<max(start, end)
    }

    /// Returns the first second of the gap of which certainly no tick arrived before the gap, when
    /// the arrivals are unknown. A gap begins at the last tick that its feed is known to have
    /// delivered, or earlier. Level 1 and the tick-by-tick feed have the same ticks, and the other
    /// one may have delivered later ones, by at most `EngineLimits.transit`. The gap of a lost
    /// process begins `transit` before its last record and, where times are whole seconds, at a
    /// whole second. So its last tick may belong to the second after that.
    private func firstWithoutArrivals(_ gap: OpenGap) -> Int64 {
        let ahead = gap.from.advanced(byNanoseconds: EngineLimits.transit)
        let first = max(WholeSecond.floor(gap.from) + 1, WholeSecond.ceiling(ahead))
        return gap.reason == .gatewayLost ? max(first, WholeSecond.floor(gap.from) + 2) : first
    }

    /// Returns the seconds that lie completely in the gap, and those among them that are left out
    /// because a tick arrived in them: before the gap with a time in its first second, or late. If
    /// all ticks before the gap came tick by tick, the border at its beginning is included, and is
    /// compared.
    private func secondsWithoutArrivals(
        _ arrivals: Arrivals, _ gap: OpenGap, _ comparison: Comparison
    ) -> (Range<Int64>, leftOut: [Int64]) {
        let first = WholeSecond.floor(gap.from) + 1
        let isExactBefore =
            comparison == .tickByTick && arrivals.since.isDefined
            && !arrivals.ticks.contains { $0.isConflated && Int64($0.second) <= first }
        var start = max(
            arrivals.since.isDefined ? first : firstWithoutArrivals(gap),
            borders.known(BackfillBorders.Key(gap)))
        if isExactBefore { start = exactSeconds(gap, arrivals).lowerBound }
        // Quotes of level 1 have the time at which they came. History has them at an earlier time.
        let isStamped = gap.kind != .quote
        let back = isStamped ? 0 : EngineLimits.transit
        var end = WholeSecond.floor(gap.to.advanced(byNanoseconds: -back))
        end =
            arrivals.until.isDefined
            ? min(end, WholeSecond.floor(arrivals.until)) : end - limits.borderSeconds
        var leftOut: Set<Int64> = []
        for tick in arrivals.ticks where tick.isConflated || !isExactBefore {
            leftOut.insert(Int64(tick.second))
            if !isStamped { leftOut.insert(Int64(tick.second) - 1) }
        }
        while start < end, leftOut.contains(start) { start += 1 }
        while start < end, leftOut.contains(end - 1) { end -= 1 }
        let seconds = start..<max(start, end)
        return (seconds, leftOut.filter(seconds.contains).sorted())
    }

    /// Gives the job the ticks that must not be added: the arrivals, and what an earlier gap added
    /// to the same seconds.
    private mutating func countArrivals(_ arrivals: Arrivals, into job: inout BackfillJob) {
        if job.gap.kind == .providerBar {
            for bar in arrivals.ticks { job.arrived.bars.insert(Int64(bar.second)) }
        }
        guard job.isExact else { return }
        for tick in arrivals.ticks where job.seconds.contains(Int64(tick.second)) {
            job.arrived.ticks.add(tick)
            job.arrived.latest = max(job.arrived.latest, Int64(tick.second))
        }
        let key = BackfillBorders.Key(job.gap)
        for likeness in borders.ticks(of: key, from: job.seconds.lowerBound)
        where job.seconds.contains(likeness.second) {
            job.arrived.ticks.add(likeness)
        }
    }

    /// Abandons the waiting gaps whose turn is next when there are too many, so that one more fits.
    private mutating func makeRoom(now: Moment, into records: inout [ProviderRecord]) {
        while waiting >= limits.gapsMax, !waitingJobs.isEmpty {
            let job = waitingJobs.removeFirst()
            abandon(job, "more than \(limits.gapsMax) gaps wait", now: now, into: &records)
        }
    }
}
