package import IBProtocol
package import MarketModel
internal import Primitives

// Answers of history, and notices in place of answers.
extension BackfillMachine {
    /// Handles a part of an answer. Returns false when it belongs to no request of this machine.
    package mutating func took(
        _ answer: HistoryAnswer, now: Moment, into records: inout [ProviderRecord]
    ) -> Bool {
        switch answer {
        case .trades(let answer):
            guard var job = open.removeValue(forKey: answer.request) else { return false }
            job.page.add(answer.ticks, in: job.seconds)
            took(job, answer.request, isLast: answer.isLast, now: now, into: &records)
        case .quotes(let answer):
            guard var job = open.removeValue(forKey: answer.request) else { return false }
            job.page.add(answer.ticks, in: job.seconds)
            took(job, answer.request, isLast: answer.isLast, now: now, into: &records)
        case .bars(let answer):
            guard var job = open.removeValue(forKey: answer.request) else { return false }
            if isLastBarMissing(in: answer.bars, of: job, now) {
                if let later = retriedLater(job, now: now) {
                    waitingJobs.append(later)
                    break
                }
                endBars(of: &job, at: Self.lastSecond(answer.bars))
            }
            add(answer.bars, to: &job, now: now, into: &records)
            continueOrFinish(job, pagesMax: limits.pagesMax.bars, now: now, into: &records)
        case .midpoints: return false
        }
        updateDue()
        return true
    }

    /// Handles an answer that cannot be read. Returns false when it belongs to no request of this
    /// machine.
    package mutating func unreadable(
        _ request: Int32, now: Moment, into records: inout [ProviderRecord]
    ) -> Bool {
        guard let job = open.removeValue(forKey: request) else { return false }
        fail(job, "an answer that cannot be read", now: now, into: &records)
        updateDue()
        return true
    }

    /// Handles a notice about a request. Returns false when the request is none of this machine's.
    package mutating func refused(
        _ notice: IBNotice, now: Moment, into records: inout [ProviderRecord]
    ) -> Bool {
        guard let job = open[notice.request] else { return false }
        // After a warning the answer is still to come.
        if notice.isWarning { return true }
        let why = "\(notice.text.cut(toUTF8: 200)) (\(notice.code))"
        switch notice.meaning {
        case .partlyNotSubscribed, .subscriptionMissing, .delayedDataFollow, .nothingToCancel:
            return true
        case _ where isHistoryDown:
            // While history is down, no refusal says anything about the gap.
            open[notice.request] = nil
            postpone(job, limits.retry.first.clampedNanoseconds, now: now)
        case .pacingViolation, .competingSession:
            open[notice.request] = nil
            postpone(job, limits.retry.first.clampedNanoseconds, now: now)
        case .historyEmpty:
            open[notice.request] = nil
            if let later = retriedLater(job, now: now) {
                waitingJobs.append(later)
            } else {
                abandon(job, "no data: \(why)", now: now, into: &records)
            }
        case .historyNotPermitted, .notSubscribed:
            open[notice.request] = nil
            fallBackToBars(job, "no permission: \(why)", now: now, into: &records)
        case .invalidRequest:
            open[notice.request] = nil
            fallBackToBars(job, "refused: \(why)", now: now, into: &records)
        // The contract was never described, so it may really not exist.
        case .noSuchContract where job.contract.id == 0:
            open[notice.request] = nil
            abandon(job, "refused: \(why)", now: now, into: &records)
        case .noSuchContract, .duplicateRequest, .tooManyLines, .depthReset, .depthHalted,
            .depthUnsupported, .historyCancelled, .historyRefused, .tickByTickRefused,
            .realTimeBarsRefused, .realTimeBarsEnded, .noFundamentals, .unknown, .clientIDInUse,
            .connectionLost, .connectionRestored, .platformDisconnected, .portChanged, .farm:
            open[notice.request] = nil
            counters.refused += 1
            fail(job, "refused: \(why)", now: now, into: &records)
        }
        updateDue()
        return true
    }

    /// Handles a message with ticks, which are in the job's page already. With the last message the
    /// answer is complete: the ticks of the page are recorded, and the job continues after it.
    private mutating func took(
        _ job: BackfillJob, _ request: Int32, isLast: Bool, now: Moment,
        into records: inout [ProviderRecord]
    ) {
        guard job.page.count <= limits.pageTicksMax else {
            fail(job, "an answer without an end", now: now, into: &records)
            return
        }
        guard isLast else {
            open[request] = job
            open[request]?.due = now.monotonic.advanced(by: limits.answerWait)
            return
        }
        guard job.page.proves(job, limits, now: now.wall) else {
            return unproven(job, now: now, into: &records)
        }
        var job = job
        let extent = job.page.extent(of: job.seconds, asked: Int(limits.pageTicks))
        report(&job, extent, now: now, into: &records)
        job.seconds = extent.upTo..<max(extent.upTo, job.seconds.upperBound)
        job.page = HistoryPage()
        let isOfQuotes = job.means == .ticks(.bidAsk)
        continueOrFinish(
            job, pagesMax: isOfQuotes ? limits.pagesMax.quotes : limits.pagesMax.trades, now: now,
            into: &records)
    }

    /// Handles an answer that does not show that history has reached the gap's end. The request is
    /// repeated later. After the last try, the ticks of the answer are recorded up to its last
    /// second, and the rest is abandoned.
    private mutating func unproven(
        _ job: BackfillJob, now: Moment, into records: inout [ProviderRecord]
    ) {
        if let later = retriedLater(job, now: now) {
            waitingJobs.append(later)
            return
        }
        var job = job
        if let last = job.page.lastSecond, last > job.seconds.lowerBound {
            report(
                &job, HistoryPage.Extent(upTo: last, isCut: false), now: now, into: &records)
            job.seconds = last..<max(last, job.seconds.upperBound)
        }
        abandon(job, Self.unprovenEnd, now: now, into: &records)
    }

    /// Returns whether an answer lacks the last bars of the gap although the contract may have
    /// traded then: history may not have them yet.
    private func isLastBarMissing(
        in bars: [HistoricalBar], of job: BackfillJob, _ now: Moment
    ) -> Bool {
        guard case .bars(_, let width) = job.means, job.part.upperBound == job.seconds.upperBound
        else { return false }
        let last = Self.lastSecond(bars) ?? Int64.min
        guard last < job.part.upperBound - 2 * width else { return false }
        let next = last == Int64.min ? last : last + width
        return !job.isClosed(from: next, now.wall, limits)
    }

    /// Returns the second in which the last bar begins; `nil`: there is no bar.
    private static func lastSecond(_ bars: [HistoricalBar]) -> Int64? {
        bars.compactMap { bar -> Int64? in
            guard case .instant(let time) = bar.time else { return nil }
            return WholeSecond.floor(time)
        }.max()
    }

    /// Ends the gap's bars at the last one that came: what comes after it may be incomplete.
    private func endBars(of job: inout BackfillJob, at last: Int64?) {
        guard case .bars(_, let width) = job.means else { return }
        let end = last.map { WholeSecond.start($0 + width) } ?? job.progress.reportedUpTo
        job.barsUntil = min(job.barsUntil, max(end, job.gap.from))
        job.isUnproven = true
    }

    /// Returns the job for another try some time later, because history may not be up to date yet;
    /// `nil`: there is no further try. Bars in place of ticks leave the gap abandoned anyway, so
    /// they are requested again only until `BackfillLimits.Lag.age` after the gap.
    private mutating func retriedLater(_ job: BackfillJob, now: Moment) -> BackfillJob? {
        let isYoung = now.wall.nanoseconds(since: job.gap.to) < limits.lag.age.clampedNanoseconds
        guard job.progress.lagTries < limits.lag.triesMax, isYoung || !job.isStandIn else {
            return nil
        }
        var job = job
        let wait = limits.lag.wait.nanoseconds(after: job.progress.lagTries)
        counters.lagging += 1
        job.progress.lagTries += 1
        job.page = HistoryPage()
        job.due = now.monotonic + wait
        return job
    }

    /// Finishes the job after a complete answer, or puts it back for its next page, after the other
    /// gaps. `pagesMax`: after so many pages the rest of the ticks is not requested any more.
    private mutating func continueOrFinish(
        _ job: BackfillJob, pagesMax: Int, now: Moment, into records: inout [ProviderRecord]
    ) {
        var job = job
        counters.pages += 1
        job.progress.pages += 1
        job.progress.failures = 0
        job.due = now.monotonic
        if job.seconds.isEmpty {
            finish(job, now: now, into: &records)
        } else if job.progress.pages >= pagesMax {
            fallBackToBars(job, "more than \(pagesMax) requests", now: now, into: &records)
        } else {
            waitingJobs.append(job)
        }
    }

    /// Adds the ticks of the page that had not arrived, and records how far they fill the gap.
    private mutating func report(
        _ job: inout BackfillJob, _ extent: HistoryPage.Extent, now: Moment,
        into records: inout [ProviderRecord]
    ) {
        let seconds = job.seconds.lowerBound..<extent.upTo
        var added = AddedTicks()
        for tick in job.page.trades {
            if tick.attributes.contains(.unreported), !job.wantsUnreported { continue }
            var trade = tick.trade(
                symbol: job.gap.instrument, receivedAt: now.wall, flags: .backfilled)
            trade.size = inShares(trade.size, of: job.contract)
            let likeness = TickLikeness(trade)
            guard job.isWanted(likeness, in: seconds), !job.arrived.ticks.take(likeness) else {
                continue
            }
            records.append(.trade(trade))
            added.note(likeness, isShared: job.isShared(likeness.second, limits))
        }
        for tick in job.page.quotes {
            var quote = tick.quote(
                symbol: job.gap.instrument, receivedAt: now.wall, flags: .backfilled)
            quote.bidSize = inShares(quote.bidSize, of: job.contract)
            quote.askSize = inShares(quote.askSize, of: job.contract)
            let likeness = TickLikeness(quote)
            guard job.isWanted(likeness, in: seconds), !job.arrived.ticks.take(likeness) else {
                continue
            }
            records.append(.quote(quote))
            added.note(likeness, isShared: job.isShared(likeness.second, limits))
        }
        counters.ticksAdded += UInt64(added.count)
        job.progress.ticksAdded += added.count
        noteForOtherGaps(added, of: job)
        report(&job, extent, added, now: now, into: &records)
    }

    /// Notes added ticks for other gaps of the same kind and instrument, so that they are not added
    /// again: gaps that are close together request some of the same seconds.
    private mutating func noteForOtherGaps(_ added: AddedTicks, of job: BackfillJob) {
        guard job.isExact, !added.shared.isEmpty else { return }
        let key = BackfillBorders.Key(job.gap)
        borders.note(
            added.shared.filter { job.isNearEnd($0.second, limits) }, of: key,
            max: limits.borderTicksMax)
        for index in waitingJobs.indices where BackfillBorders.Key(waitingJobs[index].gap) == key {
            waitingJobs[index].arrived.ticks.add(added.shared)
        }
        for (id, other) in open where BackfillBorders.Key(other.gap) == key {
            open[id]?.arrived.ticks.add(added.shared)
        }
    }

    /// Adds the missing bars of an answer, and removes the answered part from the seconds of the
    /// job.
    private func add(
        _ bars: [HistoricalBar], to job: inout BackfillJob, now: Moment,
        into records: inout [ProviderRecord]
    ) {
        guard case .bars(let kind, let width) = job.means else { return }
        let part = job.part
        for bar in bars {
            guard case .instant(let time) = bar.time else { continue }
            let second = WholeSecond.floor(time)
            guard part.contains(second), job.isMissing(barAt: time, width: width) else { continue }
            var record = bar.record(
                job.gap.instrument, at: time, width: width, kind: kind, receivedAt: now.wall)
            if historySizesAreLots, job.contract.isStockInLots {
                record.volume = record.volume.inLots
            }
            records.append(.providerBar(record))
            job.progress.barsAdded += 1
        }
        job.seconds = part.upperBound..<max(part.upperBound, job.seconds.upperBound)
    }

    /// Returns a size of history in shares: old servers report those of stocks in lots.
    private func inShares(_ size: Quantity, of contract: Contract) -> Quantity {
        historySizesAreLots && contract.isStockInLots ? size.inLots : size
    }
}

/// The ticks that a page has added: their number and their seconds.
struct AddedTicks: Sendable {
    private(set) var count = 0
    /// The earliest and the latest second with an added tick; `nil`: there is none.
    private(set) var first: Int64?
    private(set) var last: Int64?
    /// The ticks in seconds that another gap may request as well.
    private(set) var shared: [TickLikeness] = []

    mutating func note(_ likeness: TickLikeness, isShared: Bool) {
        let second = likeness.second
        if isShared { shared.append(likeness) }
        count += 1
        first = min(first ?? second, second)
        last = max(last ?? second, second)
    }

    /// Returns a copy whose `first` and `last` are `nil` where they are not before `second`.
    func before(_ second: Int64) -> AddedTicks {
        var part = self
        if let first, first >= second { part.first = nil }
        if let last, last >= second { part.last = nil }
        return part
    }
}

extension HistoricalBar {
    fileprivate func record(
        _ instrument: UInt32, at time: Timestamp, width: Int64, kind: HistoryKind,
        receivedAt: Timestamp
    ) -> ProviderBar {
        let close = time.advanced(byNanoseconds: width * WholeSecond.nanoseconds)
        let header = TickHeader(
            symbol: instrument, flags: .backfilled, resolution: TimeResolution.second.rawValue,
            providerTime: close, receiveTime: receivedAt)
        let barKind: ProviderBarKind =
            switch kind {
            case .trades: .trades
            case .midpoint: .midpoint
            case .bidAsk: .bidAsk
            case .aggregatedTrades: .unknown
            }
        var bar = ProviderBar(header: header, openTime: time, closeTime: close, kind: barKind)
        (bar.open, bar.high, bar.low, bar.close) = (open, high, low, self.close)
        bar.vwap = vwap
        bar.volume = volume
        bar.trades = trades
        return bar
    }
}
