package import IBProtocol
package import Primitives
internal import MarketModel

/// The queue of requests to the server. It holds each request back until the server's limits allow
/// it: the server refuses requests that come too fast.
///
/// All requests go through it, except those of `IBEngine.sendNow`. The engine queues a request with
/// `ask`, and sends what `take` returns. Urgent requests leave first, then live ones, then
/// backfill. Within a priority they leave in the order in which they were queued, with three
/// exceptions. A request that has to wait for a line, or because of the limits of history, lets the
/// others pass. Lines are given in the order in which feeds are wanted. Contracts take turns with
/// requests for history. Times are monotonic.
///
/// A *ticket* is the number of a queued request: an earlier request has a lower one. A queued
/// request is *withdrawn* when its feed does not need it any more.
package struct PacingMachine: Sendable {
    package enum Priority: UInt8, Sendable, CaseIterable {
        /// Cancels, questions for the server's time, and the mode of the data (live or delayed).
        case urgent
        /// Subscriptions and what they need first, as contract details.
        case live
        /// History and documents, which can wait.
        case backfill
    }

    /// The limit that the server reports as exceeded.
    package enum Violation: Hashable, Sendable {
        /// Too many messages in a second.
        case messages
        /// Too many requests for history.
        case history
    }

    /// A queued request.
    struct Entry: Sendable {
        var request: IBRequest
        /// What the request takes of history's limits; `nil`: nothing.
        var use: HistoryUse?
    }

    /// The tickets of one priority, by the limit that their requests are counted against.
    struct PriorityQueues: Sendable {
        /// Requests that are counted as messages only, as all others are too.
        var plain = TicketQueue()
        /// Requests that need a line: for level 1, bars of five seconds, ticks, or depth.
        var marketData = LineQueue()
        var bars = LineQueue()
        var tickByTick = LineQueue()
        var depth = LineQueue()
        /// Requests for history. Contracts take turns.
        var history = FairQueue<Contract>()
    }

    let limits: PacingLimits
    /// By priority.
    var queues = [PriorityQueues](repeating: PriorityQueues(), count: Priority.allCases.count)
    /// The queued requests, by ticket.
    var entries: [UInt64: Entry] = [:]
    /// The tickets of the requests that wait, by the request's number.
    private var tickets: [Int32: UInt64] = [:]
    /// The next ticket.
    private var upcoming: UInt64 = 0
    /// The number of tickets that are still in `queues` although their requests were withdrawn.
    /// They are removed when they get to the head of their queue, or when there are too many.
    private var withdrawn = 0
    /// When the last requests left, for the limit of messages per second.
    private(set) var sentTimes: [MonotonicTime] = []
    /// When tick-by-tick data were last requested, by contract. Entries older than
    /// `PacingLimits.tickByTickWait` are not needed.
    private var tickByTickSent: [Contract: MonotonicTime] = [:]
    /// The wait after the server's complaint about messages.
    private(set) var messageViolation = ViolationWait()
    /// What the server counts of requests for history.
    var history: HistoryWindow
    /// The vendor has no history at the moment, so requests for it wait.
    private(set) var isHistoryHeld = false
    /// Which request holds which line.
    var lines = LineStore()
    /// The latest time that any call has given. `plan` shows the state at this time.
    private(set) var latest = MonotonicTime.distantPast
    /// When something may leave, at the earliest; `never`: nothing waits, or only for other
    /// events.
    package private(set) var nextDue = MonotonicTime.never

    package init(_ limits: PacingLimits) {
        self.limits = limits
        history = HistoryWindow(limits)
    }

    /// The number of queued requests.
    package var waiting: Int { entries.count }
    /// The number of requests for history without an answer.
    package var openHistory: Int { history.openCount }

    /// Returns how many lines of this kind requests hold.
    package func linesInUse(_ limit: LineLimit) -> Int { lines.count(limit) }

    /// Queues a request, which leaves when its turn comes. A cancel of a request that still waits
    /// here removes that request, and nothing is sent. `order`: the rank of its feed
    /// (`FeedRoute.order`), for requests that need a line. Returns false when the queue is full:
    /// the request was not queued. The queue always takes a cancel: without it the server would
    /// continue, and the line would not become free. There are at most as many cancels as requests
    /// that have left and that have not ended.
    package mutating func ask(
        _ request: IBRequest, _ priority: Priority, order: Int = 0, now: MonotonicTime
    ) -> Bool {
        latest = max(latest, now)
        if let id = request.cancelled, tickets[id] != nil {
            withdraw(id: id)
            return true
        }
        let extra = priority == .urgent ? limits.urgentExtraMax : 0
        guard request.cancelled != nil || entries.count < limits.queueMax + extra else {
            return false
        }
        let ticket = upcoming
        upcoming += 1
        let use = request.historyUse
        entries[ticket] = Entry(request: request, use: use)
        if let id = request.number { tickets[id] = ticket }
        append(ticket, request, use, order, to: Int(priority.rawValue))
        nextDue = min(nextDue, now)
        return true
    }

    /// Removes a request that was not sent.
    package mutating func withdraw(id: Int32) {
        guard let ticket = tickets.removeValue(forKey: id) else { return }
        entries[ticket] = nil
        if lines.release(id) != nil { nextDue = min(nextDue, latest) }
        withdrawn += 1
        // Searching all queues is slow, so it is done only when most tickets are withdrawn.
        guard withdrawn > 1_024, withdrawn > entries.count else { return }
        for index in queues.indices { queues[index].keep { entries[$0] != nil } }
        withdrawn = 0
    }

    /// Gives the line of an old request to the new one that replaces it, so that no other request
    /// gets it in between.
    package mutating func replace(_ old: Int32, by new: Int32) { lines.move(from: old, to: new) }

    /// Returns whether the request still waits here.
    package func isWaiting(id: Int32) -> Bool { tickets[id] != nil }

    /// Appends the requests that may leave now, in their order.
    package mutating func take(now: MonotonicTime, into requests: inout [IBRequest]) {
        latest = max(latest, now)
        guard now >= nextDue else { return }
        while true {
            guard !entries.isEmpty else {
                nextDue = .never
                return
            }
            let due = messageDue(now: now)
            guard due <= now else {
                nextDue = due
                return
            }
            guard let ticket = pick(now: now), let entry = entries.removeValue(forKey: ticket)
            else { return }
            note(entry, now: now)
            requests.append(entry.request)
        }
    }

    /// Counts a message that leaves with a request and did not wait here.
    package mutating func sentBeside(now: MonotonicTime) { noteMessage(now: now) }

    /// Notes that a request has ended without a cancel: history was answered or refused, or a
    /// subscription was refused or has ended. If it holds a line, the line is free.
    package mutating func answered(id: Int32, now: MonotonicTime) {
        latest = max(latest, now)
        let hasEnded = history.answered(id)
        if lines.release(id) != nil || hasEnded { nextDue = min(nextDue, now) }
    }

    /// Notes that the server has refused this subscription a line: the account has fewer than the
    /// settings say, or another program holds some.
    package mutating func refusedLine(id: Int32, _ limit: LineLimit, now: MonotonicTime) {
        answered(id: id, now: now)
        lines.refused(limit, limits, now: now)
    }

    /// Notes the server's complaint that requests come too fast. All requests of that kind wait.
    package mutating func violated(_ violation: Violation = .history, now: MonotonicTime) {
        latest = max(latest, now)
        switch violation {
        case .messages: messageViolation.add(limits, now: now)
        case .history: history.violated(now: now)
        }
    }

    /// Holds requests for history back, or lets them leave.
    package mutating func holdHistory(_ isHeld: Bool, now: MonotonicTime) {
        latest = max(latest, now)
        guard isHistoryHeld != isHeld else { return }
        isHistoryHeld = isHeld
        nextDue = min(nextDue, now)
    }

    /// Begins a new connection: nothing waits, no line is taken, and no request is open. The server
    /// still knows the requests of the last minutes.
    package mutating func reset() {
        queues = [PriorityQueues](repeating: PriorityQueues(), count: Priority.allCases.count)
        entries = [:]
        tickets = [:]
        withdrawn = 0
        lines = LineStore()
        history.forgetOpen()
        isHistoryHeld = false
        nextDue = .never
    }

    /// Puts a ticket into the queue of the limit that its request is counted against. `index`: that
    /// of its priority.
    private mutating func append(
        _ ticket: UInt64, _ request: IBRequest, _ use: HistoryUse?, _ order: Int, to index: Int
    ) {
        let hasLine = request.number.map { lines.holds($0) } ?? false
        let place = LineQueue.Place(hasLine: hasLine, order: order, ticket: ticket)
        switch request.resource {
        case .none: queues[index].plain.append(ticket)
        case .line(.marketData): queues[index].marketData.add(place)
        case .line(.tickByTick): queues[index].tickByTick.add(place)
        case .line(.depth): queues[index].depth.add(place)
        case .bars: queues[index].bars.add(place)
        case .history:
            guard let use else { return }
            queues[index].history.append(ticket, of: use.contract)
        }
    }

    /// Returns when the next message may leave.
    func messageDue(now: MonotonicTime) -> MonotonicTime {
        var due = max(now, messageViolation.until)
        if sentTimes.count >= limits.messages.max {
            let last = sentTimes[sentTimes.count - limits.messages.max]
            due = max(due, last.advanced(by: limits.messages.window))
        }
        return due
    }

    /// Counts a request that leaves against all limits. A cancel frees what its request held.
    private mutating func note(_ entry: Entry, now: MonotonicTime) {
        noteMessage(now: now)
        if let id = entry.request.cancelled {
            _ = history.answered(id)
            _ = lines.release(id)
        }
        guard let id = entry.request.number else { return }
        tickets[id] = nil
        if let use = entry.use { history.note(use, id: id, now: now) }
        if let contract = entry.request.tickByTickContract { noteTicks(of: contract, now: now) }
        switch entry.request.resource {
        case .line(let limit): hold(id, limit, now: now)
        case .bars:
            hold(id, .marketData, now: now)
            history.noteBars(now: now)
        case .none, .history: break
        }
    }

    private mutating func noteMessage(now: MonotonicTime) {
        sentTimes.append(now)
        if sentTimes.count > 2 * limits.messages.max {
            sentTimes.removeFirst(sentTimes.count - limits.messages.max)
        }
    }

    /// Notes that a request that leaves holds a line.
    private mutating func hold(_ id: Int32, _ limit: LineLimit, now: MonotonicTime) {
        lines.hold(id, limit)
        lines.sent(limit, limits, now: now)
    }

    /// Takes the ticket that leaves next out of its queue. Returns `nil` when none can leave now,
    /// and sets `nextDue`.
    private mutating func pick(now: MonotonicTime) -> UInt64? {
        var due = MonotonicTime.never
        for index in queues.indices {
            queues[index].dropWithdrawn(&withdrawn) { entries[$0] != nil }
            let history = historyCandidate(index, now: now, due: &due)
            let plain = plainCandidate(index, now: now, due: &due)
            if let history, plain.map({ history.ticket < $0.ticket }) ?? true {
                queues[index].history.removeFirst(of: history.contract)
                return history.ticket
            }
            if let plain {
                if let lined = plain.lined {
                    queues[index][keyPath: lined.queue].remove(lined.place)
                } else {
                    queues[index].plain.removeFirst()
                }
                return plain.ticket
            }
        }
        nextDue = due
        return nil
    }

    /// A request that is not for history, and its place in a queue if it needs a line.
    private struct Candidate {
        var ticket: UInt64
        var lined: (queue: WritableKeyPath<PriorityQueues, LineQueue>, place: LineQueue.Place)?
    }

    /// Returns the earliest request of a priority (`index`) that is not for history and may leave
    /// now; `nil`: none may. `due` is lowered to the time at which one that waits may leave.
    private func plainCandidate(
        _ index: Int, now: MonotonicTime, due: inout MonotonicTime
    ) -> Candidate? {
        var best = queues[index].plain.first.map { Candidate(ticket: $0) }
        func consider(_ queue: WritableKeyPath<PriorityQueues, LineQueue>, _ limit: LineLimit) {
            guard let place = queues[index][keyPath: queue].first,
                canLeave(place, limit, now: now, due: &due),
                best.map({ place.ticket < $0.ticket }) ?? true
            else { return }
            best = Candidate(ticket: place.ticket, lined: (queue, place))
        }
        consider(\.marketData, .marketData)
        if let place = tickByTickCandidate(index, now: now, due: &due),
            best.map({ place.ticket < $0.ticket }) ?? true
        {
            best = Candidate(ticket: place.ticket, lined: (\.tickByTick, place))
        }
        consider(\.depth, .depth)
        // Bars need a line, and are counted as history too.
        guard let bars = queues[index].bars.first,
            canLeave(bars, .marketData, now: now, due: &due)
        else { return best }
        let time = history.barsDue(now: now)
        if time <= now { consider(\.bars, .marketData) } else { due = min(due, time) }
        return best
    }

    /// Returns whether there is a line for a request. If not, `due` is lowered to the time at which
    /// there may be one.
    private func canLeave(
        _ place: LineQueue.Place, _ limit: LineLimit, now: MonotonicTime, due: inout MonotonicTime
    ) -> Bool {
        let time = place.hasLine ? .distantPast : lineDue(limit)
        if time > now { due = min(due, time) }
        return time <= now
    }

    /// Returns the first tick-by-tick request for which there is a line, and whose contract was not
    /// requested a short time ago.
    private func tickByTickCandidate(
        _ index: Int, now: MonotonicTime, due: inout MonotonicTime
    ) -> LineQueue.Place? {
        for place in queues[index].tickByTick.all {
            guard canLeave(place, .tickByTick, now: now, due: &due) else { return nil }
            guard let contract = entries[place.ticket]?.request.tickByTickContract else { continue }
            let time = tickByTickDue(contract)
            if time <= now { return place }
            due = min(due, time)
        }
        return nil
    }

    /// Returns when the contract's ticks may be requested tick by tick again.
    func tickByTickDue(_ contract: Contract) -> MonotonicTime {
        tickByTickSent[contract]?.advanced(by: limits.tickByTickWait) ?? .distantPast
    }

    /// Notes a tick-by-tick request. Old notes are removed when there are many.
    private mutating func noteTicks(of contract: Contract, now: MonotonicTime) {
        let wait = limits.tickByTickWait.clampedNanoseconds
        if tickByTickSent.count >= 256 {
            tickByTickSent = tickByTickSent.filter { $0.value + wait > now }
        }
        tickByTickSent[contract] = now
    }

    /// Returns the next request for history of a priority that may leave now; `nil`: none may.
    /// `due` is lowered to the time at which one that waits may leave.
    private func historyCandidate(
        _ index: Int, now: MonotonicTime, due: inout MonotonicTime
    ) -> (ticket: UInt64, contract: Contract)? {
        guard !isHistoryHeld, !queues[index].history.turns.isEmpty else { return nil }
        let least = history.dueAtLeast(now: now)
        guard least <= now else {
            due = min(due, least)
            return nil
        }
        for contract in queues[index].history.turns {
            guard let ticket = queues[index].history.first(of: contract),
                let use = entries[ticket]?.use
            else { continue }
            let (time, _) = history.due(use, now: now)
            if time <= now { return (ticket, contract) }
            due = min(due, time)
        }
        return nil
    }
}

extension PacingMachine.PriorityQueues {
    /// Removes all tickets that are not wanted.
    mutating func keep(_ isWanted: (UInt64) -> Bool) {
        plain.keep(isWanted)
        marketData.keep(isWanted)
        bars.keep(isWanted)
        tickByTick.keep(isWanted)
        depth.keep(isWanted)
        history.keep(isWanted)
    }

    /// Removes withdrawn tickets from the heads, so that each head really waits.
    mutating func dropWithdrawn(_ withdrawn: inout Int, _ isWanted: (UInt64) -> Bool) {
        guard withdrawn > 0 else { return }
        withdrawn -= plain.dropWithdrawn(isWanted) + marketData.dropWithdrawn(isWanted)
        withdrawn -= bars.dropWithdrawn(isWanted)
        withdrawn -= tickByTick.dropWithdrawn(isWanted) + depth.dropWithdrawn(isWanted)
        for contract in history.turns {
            withdrawn -= history.dropWithdrawn(of: contract, isWanted)
        }
    }
}
