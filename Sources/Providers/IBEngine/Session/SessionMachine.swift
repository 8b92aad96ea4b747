internal import Primitives
internal import MarketModel

/// Opens the connection, keeps watch over it, and waits between two attempts, for ever.
struct SessionMachine: Sendable {
    enum Phase: Hashable, Sendable {
        /// Not wanted.
        case idle
        case waiting
        case connecting
        /// The handshake was sent.
        case greeting
        /// The client has introduced itself.
        case starting
        case ready
        /// The caller was asked to close.
        case closing
    }

    /// So many attempts in a row that failed, for so long, are an alarm. They go on.
    static let alarmAttempts = 5
    static let alarmAfter = 60 * EngineLimits.second

    private(set) var phase = Phase.idle
    private(set) var reason = ""
    /// When the phase began, and when the next attempt is, monotonic.
    private(set) var since: Int64 = 0
    private(set) var nextAttempt: Int64 = 0
    /// Attempts in a row that did not become ready; none inside of the vendor's reset.
    private(set) var failures = 0
    private(set) var lastMessage: Int64 = 0
    private var heartbeatAt: Int64 = 0
    private var isHeartbeatOpen = false
    private var hasID = false
    private var hasAccounts = false
    /// Since when they fail, monotonic; and whether that was told.
    private var failingSince: Int64?
    private var hasAlarmed = false
    /// After something that did not answer; and after a port that refused at once, or a connection
    /// that had been of use: a TWS that starts again is met as soon as it listens.
    private var backoff = Backoff(first: .seconds(5), limit: .seconds(60))
    private var prompt = Backoff(first: .seconds(2), limit: .seconds(2))
    private var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    var isReady: Bool { phase == .ready }

    /// The connection is wanted: the first attempt is at once.
    mutating func begin(_ now: Int64) {
        guard phase == .idle else { return }
        enter(.waiting, now)
        nextAttempt = now
    }

    mutating func end(_ now: Int64) { enter(.idle, now) }

    mutating func connected(_ now: Int64) {
        hasID = false
        hasAccounts = false
        isHeartbeatOpen = false
        lastMessage = now
        enter(.greeting, now)
    }

    mutating func greeted(_ now: Int64) { enter(.starting, now) }

    /// True: from here on the connection is of use.
    mutating func heard(id: Bool, accounts: Bool, _ now: Int64) -> Bool {
        hasID = hasID || id
        hasAccounts = hasAccounts || accounts
        guard phase == .starting, hasID, hasAccounts else { return false }
        backoff.reset()
        failures = 0
        failingSince = nil
        hasAlarmed = false
        reason = ""
        heartbeatAt = now
        enter(.ready, now)
        return true
    }

    mutating func received(_ now: Int64) {
        lastMessage = now
        isHeartbeatOpen = false
    }

    mutating func closing(_ reason: String, _ now: Int64) {
        guard phase != .idle else { return }
        self.reason = reason.asReason
        enter(.closing, now)
    }

    /// True: this failure is the one that raises the alarm.
    mutating func lost(_ reason: String, isReset: Bool, _ now: Int64) -> Bool {
        guard phase != .idle else { return false }
        // What asked for the close says more than how the socket ended.
        if phase != .closing || self.reason.isEmpty { self.reason = reason.asReason }
        let wait =
            wasAnswered(now) ? prompt.next(using: &random) : backoff.next(using: &random)
        nextAttempt = now.later(by: wait.clampedNanoseconds)
        enter(.waiting, now)
        guard !isReset else { return false }
        failures = min(failures + 1, 1_000_000)
        let since = failingSince ?? now
        failingSince = since
        guard !hasAlarmed, failures >= Self.alarmAttempts,
            now >= since.later(by: Self.alarmAfter)
        else { return false }
        hasAlarmed = true
        return true
    }

    /// Somebody is there: the port was refused at once, or the connection was of use.
    private func wasAnswered(_ now: Int64) -> Bool {
        phase == .ready
            || phase == .connecting && now < since.later(by: EngineLimits.refusedAtOnce)
    }

    mutating func tick(_ now: Int64) -> SessionAction {
        switch phase {
        case .idle, .closing: return .none
        case .waiting:
            guard now >= nextAttempt else { return .none }
            enter(.connecting, now)
            return .connect
        case .connecting: return .none
        case .greeting, .starting:
            guard now >= since.later(by: EngineLimits.openingWait) else { return .none }
            let step = phase == .greeting ? "the handshake" : "the client's introduction"
            return .close("no answer to \(step) in 10 s: check that this is the API port")
        case .ready: return watch(now)
        }
    }

    private mutating func watch(_ now: Int64) -> SessionAction {
        if isHeartbeatOpen {
            guard now >= heartbeatAt.later(by: EngineLimits.heartbeatWait) else { return .none }
            return .close("nothing came for 20 s after asking for the time: the connection is dead")
        }
        let isQuiet =
            now >= lastMessage.later(by: EngineLimits.quietBeforeHeartbeat)
            && now >= heartbeatAt.later(by: EngineLimits.quietBeforeHeartbeat)
        guard isQuiet || now >= heartbeatAt.later(by: EngineLimits.heartbeatInterval) else {
            return .none
        }
        heartbeatAt = now
        isHeartbeatOpen = true
        return .heartbeat
    }

    var nextDue: Int64 {
        switch phase {
        case .idle, .closing, .connecting: Int64.max
        case .waiting: nextAttempt
        case .greeting, .starting: since.later(by: EngineLimits.openingWait)
        case .ready where isHeartbeatOpen: heartbeatAt.later(by: EngineLimits.heartbeatWait)
        case .ready:
            min(
                heartbeatAt.later(by: EngineLimits.heartbeatInterval),
                max(lastMessage, heartbeatAt).later(by: EngineLimits.quietBeforeHeartbeat))
        }
    }

    private mutating func enter(_ next: Phase, _ now: Int64) {
        phase = next
        since = now
    }
}
