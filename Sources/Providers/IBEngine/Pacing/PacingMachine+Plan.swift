package import IBProtocol
package import Primitives

extension PacingMachine {
    /// The reason why a request waits.
    package enum Reason: Hashable, Sendable {
        /// Only its turn among the messages.
        case turn
        /// There were too many requests for history in the last ten minutes.
        case historyWindow
        /// There were too many for the same contract in the last seconds.
        case sameContract
        /// The same request left a short time ago.
        case identical
        /// Too many requests have no answer yet.
        case openRequests
        /// The contract's ticks were requested tick by tick a short time ago.
        case tickByTick
        /// The vendor's history is down.
        case historyDown
        /// Another subscription has to end first.
        case line(LineLimit)
        /// The server complained.
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
        /// It leaves at this time at the earliest, monotonic; `never`: the time is not known.
        package var until: MonotonicTime
    }

    /// The first requests that wait, about in the order in which they leave.
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

    /// Returns when a line may be taken; `Int64.max`: when another one is free again.
    func lineDue(_ limit: LineLimit) -> MonotonicTime { lines.due(limit, of: linesMax(limit)) }

    /// Returns how many lines of this kind the account should have.
    func linesMax(_ limit: LineLimit) -> Int {
        switch limit {
        case .marketData: limits.lines
        case .tickByTick: limits.tickByTickLines
        case .depth: limits.depthLines
        }
    }
}
