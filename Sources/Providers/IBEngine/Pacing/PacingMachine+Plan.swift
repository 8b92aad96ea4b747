public import IBProtocol

extension PacingMachine {
    /// The reason why a request waits.
    public enum Reason: Hashable, Sendable {
        /// Only its turn among the messages.
        case turn
        case historyWindow
        case sameContract
        case identical
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

    public struct Waiting: Hashable, Sendable {
        /// `nil`: it has no number.
        public var request: Int32?
        /// A description for people: `history of AAPL, TRADES, ticks`.
        public var subject: String
        public var priority: Priority
        public var reason: Reason
        /// It leaves at this time at the earliest, monotonic; `Int64.max`: the time is not known.
        public var until: Int64
    }

    /// The first requests that wait, about in the order in which they leave.
    public var plan: [Waiting] {
        var plan: [Waiting] = []
        for (lane, priority) in zip(lanes, Priority.allCases) {
            let plain = lane.plain.all.prefix(limits.planMax)
            let lined = [lane.marketData, lane.bars, lane.tickByTick, lane.depth].flatMap {
                $0.tickets.prefix(limits.planMax)
            }
            let history = lane.history.turns.prefix(limits.planMax).flatMap {
                lane.history.all(of: $0).prefix(limits.planMax)
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
            if isHistoryHeld { (waiting.until, waiting.reason) = (.max, .historyDown) }
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
    public func hasLine(_ limit: LineLimit) -> Bool { lineDue(limit) <= latest }

    func lineDue(_ limit: LineLimit) -> Int64 { lines.due(limit, of: linesMax(limit)) }

    func linesMax(_ limit: LineLimit) -> Int {
        switch limit {
        case .marketData: limits.lines
        case .tickByTick: limits.tickByTickLines
        case .depth: limits.depthLines
        }
    }
}
