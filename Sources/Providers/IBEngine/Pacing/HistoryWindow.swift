internal import IBProtocol
internal import Primitives
internal import MarketModel

/// The history requests of the last ten minutes, and those without an answer.
struct HistoryWindow: Sendable {
    private struct Sent: Sendable {
        var time: MonotonicTime
        var use: HistoryUse
    }

    private let limits: PacingLimits
    /// The counted requests by time. Those outside of the window are removed, so the units of ten
    /// minutes are their bound.
    private var sent: [Sent] = []
    /// When the requests without an answer were sent, by their numbers.
    private var open: [Int32: MonotonicTime] = [:]
    /// The wait after the server's complaint about history.
    private var violation = ViolationWait()
    /// When the latest subscriptions to bars of five seconds were sent.
    private var subscribed: [MonotonicTime] = []

    init(_ limits: PacingLimits) { self.limits = limits }

    /// Returns when another subscription to bars of five seconds may be sent. These bars are
    /// history that continues, so the server counts new subscriptions as requests for history.
    func barsDue(now: MonotonicTime) -> MonotonicTime {
        let most = max(1, limits.barSubscriptions)
        guard subscribed.count >= most else { return now }
        return subscribed[subscribed.count - most].advanced(by: limits.history.window)
    }

    /// Notes a subscription to bars of five seconds.
    mutating func noteBars(now: MonotonicTime) {
        subscribed.append(now)
        let most = max(1, limits.barSubscriptions)
        if subscribed.count > 2 * most { subscribed.removeFirst(subscribed.count - most) }
    }

    var openCount: Int { open.count }

    /// Returns the units that are counted now.
    func used(now: MonotonicTime) -> Int {
        let window = limits.history.window.clampedNanoseconds
        return sent.reduce(0) { $1.time + window > now ? $0 + $1.use.units : $0 }
    }

    /// Until when all requests wait because of the server's complaint.
    var violatedUntil: MonotonicTime { violation.until }

    /// Returns when the request may be sent, as far as is known now, and what it waits for.
    func due(_ use: HistoryUse, now: MonotonicTime) -> (MonotonicTime, PacingMachine.Reason) {
        var due = (now, PacingMachine.Reason.turn)
        func raise(_ time: MonotonicTime, _ reason: PacingMachine.Reason) {
            if time > due.0 { due = (time, reason) }
        }
        let units = units(of: use, now: now)
        if units > 0 {
            raise(unitsDue(units, now: now), .historyWindow)
            raise(burstDue(use, now: now), .sameContract)
            if let last = sent.last(where: { $0.use.question == use.question }) {
                raise(last.time.advanced(by: limits.identicalWait), .identical)
            }
        }
        raise(openDue(now: now), .openRequests)
        raise(violation.until, .violation)
        return due
    }

    /// Returns a time before which no request at all can be sent. This lower bound costs no search.
    func dueAtLeast(now: MonotonicTime) -> MonotonicTime {
        let areAllCounted = !limits.longBarsAreFree || violation.isRemembered(now: now)
        let windowed = areAllCounted ? unitsDue(1, now: now) : now
        return max(windowed, openDue(now: now), violation.until)
    }

    /// Notes a request that was sent.
    mutating func note(_ use: HistoryUse, id: Int32, now: MonotonicTime) {
        let window = limits.history.window.clampedNanoseconds
        sent.removeAll { $0.time + window <= now }
        let forgotten = limits.openForgottenAfter.clampedNanoseconds
        if open.count >= limits.historyOpenMax {
            open = open.filter { $0.value + forgotten > now }
        }
        open[id] = now
        if units(of: use, now: now) > 0 { sent.append(Sent(time: now, use: use)) }
    }

    /// Notes an answer, or a cancel. Returns false when the request is not open.
    mutating func answered(_ id: Int32) -> Bool { open.removeValue(forKey: id) != nil }
    mutating func violated(now: MonotonicTime) { violation.add(limits, now: now) }
    mutating func forgetOpen() { open.removeAll() }

    /// Returns how many units of the window the request takes; 0: none.
    func units(of use: HistoryUse, now: MonotonicTime) -> Int {
        let isFree = use.isOfLongBars && limits.longBarsAreFree
        return isFree && !violation.isRemembered(now: now) ? 0 : use.units
    }

    /// Returns when the window has room for so many units.
    func unitsDue(_ units: Int, now: MonotonicTime) -> MonotonicTime {
        let window = limits.history.window.clampedNanoseconds
        var used = 0
        for entry in sent.reversed() where entry.time + window > now {
            used += entry.use.units
            if used + units > limits.history.max { return entry.time + window }
        }
        return now
    }

    /// Returns when the same contract and kind may be requested again.
    private func burstDue(_ use: HistoryUse, now: MonotonicTime) -> MonotonicTime {
        let window = limits.burst.window.clampedNanoseconds
        var count = 0
        for entry in sent.reversed() {
            guard entry.time + window > now else { break }
            guard entry.use.kind == use.kind, entry.use.contract == use.contract else { continue }
            count += 1
            if count >= limits.burst.max { return entry.time + window }
        }
        return now
    }

    /// Returns when there is room among the requests without an answer, at the latest.
    private func openDue(now: MonotonicTime) -> MonotonicTime {
        guard open.count >= limits.historyOpenMax else { return now }
        let forgotten = limits.openForgottenAfter.clampedNanoseconds
        let ends = open.values.map { $0 + forgotten }.sorted()
        let index = open.count - limits.historyOpenMax
        return index < ends.count ? ends[index] : now
    }
}

/// How long all requests of a kind wait after the server's complaint.
struct ViolationWait: Sendable {
    /// The end of the wait, monotonic; `Int64.min`: there was no complaint.
    private(set) var until = MonotonicTime.distantPast
    /// When the last complaint came, monotonic.
    private var last = MonotonicTime.distantPast
    /// The length of the last wait, in nanoseconds. The next one is twice as long.
    private var step: Int64 = 0
    /// Until when the last complaint counts, monotonic.
    private var remembered = MonotonicTime.distantPast

    /// Returns whether the last complaint was not long ago.
    func isRemembered(now: MonotonicTime) -> Bool { now < remembered }

    /// Notes a complaint.
    mutating func add(_ limits: PacingLimits, now: MonotonicTime) {
        // Complaints about what was sent before the first one are nothing new.
        guard now >= until else { return }
        let isNew = last.advanced(by: limits.violation.memory) <= now
        step =
            isNew || step == 0
            ? limits.violation.wait.first.clampedNanoseconds
            : min(step.doubled, limits.violation.wait.max.clampedNanoseconds)
        last = now
        remembered = now.advanced(by: limits.violation.memory)
        until = now + step
    }
}
