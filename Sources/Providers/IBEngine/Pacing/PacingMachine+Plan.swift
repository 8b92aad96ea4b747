package import IBProtocol
package import Primitives

extension PacingMachine {
    /// The reason why a request waits.
    package enum Reason: Hashable, Sendable {
        /// No limit of its own: it waits for the requests before it, and for the limit of messages
        /// per second.
        case turn
        /// There were too many requests for history in the last ten minutes.
        case historyWindow
        /// There were too many requests for history of the same contract in the last seconds.
        case sameContract
        /// The same request left a short time ago.
        case identical
        /// Too many requests for history have no answer yet.
        case openRequests
        /// Tick-by-tick data of the contract were requested a short time ago.
        case tickByTick
        /// The vendor's history is down.
        case historyDown
        /// Another subscription has to end first.
        case line(LineLimit)
        /// The server complained that requests come too fast.
        case violation
    }

    /// A request that waits, for people.
    package struct Waiting: Hashable, Sendable {
        /// The request's number; `nil`: it has none.
        package var request: Int32?
        /// A description for people: `history of AAPL, TRADES, ticks`.
        package var subject: String
        package var priority: Priority
        package var reason: Reason
        /// The earliest time at which it can leave, monotonic; `never`: the time is not known.
        package var until: MonotonicTime
    }

    /// The first requests that wait, about in the order in which they leave, for status pages: at
    /// most `PacingLimits.planMax`.
    package var plan: [Waiting] {
        var plan: [Waiting] = []
        for (queued, priority) in zip(queues, Priority.allCases) {
            let plain = queued.plain.all.prefix(limits.planMax)
            let lined = [queued.marketData, queued.bars, queued.tickByTick, queued.depth].flatMap {
                $0.tickets.prefix(limits.planMax)
            }
            let history = queued.history.turns.prefix(limits.planMax).flatMap {
                queued.history.all(of: $0).prefix(limits.planMax)
            }
            for ticket in (plain + lined + history).sorted() where plan.count < limits.planMax {
                guard let entry = entries[ticket] else { continue }
                plan.append(waiting(entry, priority))
            }
        }
        return plan
    }

    /// Returns why a request waits, and until when.
    private func waiting(_ entry: Entry, _ priority: Priority) -> Waiting {
        var waiting = Waiting(
            request: entry.request.number, subject: entry.request.subject, priority: priority,
            reason: .turn, until: messageDue(now: latest))
        if let use = entry.use {
            let (due, reason) = history.due(use, now: latest)
            if due > waiting.until { (waiting.until, waiting.reason) = (due, reason) }
            if isHistoryHeld { (waiting.until, waiting.reason) = (.never, .historyDown) }
        }
        if case .bars = entry.request.resource {
            let due = history.barsDue(now: latest)
            if due > waiting.until { (waiting.until, waiting.reason) = (due, .historyWindow) }
        }
        if let contract = entry.request.tickByTickContract {
            let due = tickByTickDue(contract)
            if due > waiting.until { (waiting.until, waiting.reason) = (due, .tickByTick) }
        }
        let isHeld = entry.request.number.map { lines.holds($0) } ?? false
        if let limit = entry.request.line, !isHeld, !hasLine(limit) {
            (waiting.until, waiting.reason) = (lineDue(limit), .line(limit))
        }
        return waiting
    }

    /// Returns whether another subscription of that kind could begin now.
    package func hasLine(_ limit: LineLimit) -> Bool { lineDue(limit) <= latest }

    /// Returns when a line of this kind may be taken; `never`: not before another one becomes free.
    func lineDue(_ limit: LineLimit) -> MonotonicTime { lines.due(limit, of: linesMax(limit)) }

    /// Returns how many lines of this kind the account should have.
    func linesMax(_ limit: LineLimit) -> Int {
        switch limit {
        case .marketData: limits.lines.marketData
        case .tickByTick: limits.lines.tickByTick
        case .depth: limits.lines.depth
        }
    }
}
