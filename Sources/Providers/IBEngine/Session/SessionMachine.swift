internal import Primitives
internal import MarketModel

/// The state of the connection to the platform: when it is opened, whether it is alive, and when
/// the next attempt is. Attempts continue for ever. `IBEngine` reports what happens to the
/// connection, and carries out what `timePassed` returns.
struct SessionMachine: Sendable {
    enum Phase: Hashable, Sendable {
        /// No connection is wanted. `begin` leads to `waiting`.
        case idle
        /// The next attempt has a time. Then comes `connecting`.
        case waiting
        /// The caller opens a socket. `connected` leads to `greeting`. The caller limits the time
        /// of the attempt.
        case connecting
        /// The handshake was sent. The server's greeting leads to `starting`.
        case greeting
        /// The client has introduced itself. The server's answer to that leads to `ready`.
        case starting
        /// Requests can be sent. A connection that ends, or is dead, leads to `waiting` or
        /// `closing`.
        case ready
        /// The caller was asked to close. `lost` leads to `waiting`, as from all phases but `idle`.
        case closing
    }

    /// What a person can do where the platform ends a connection that has just begun.
    private static let refusedAdvice =
        "is its API enabled, and this address trusted (Global Configuration, API, Settings)?"

    /// Failed attempts raise the alarm only after they have lasted for this time, in nanoseconds.
    static let alarmAfter = 60 * EngineLimits.second

    private(set) var phase = Phase.idle
    /// Why the last connection or attempt ended; empty: none has, or a session is ready.
    private(set) var reason = ""
    /// When the phase began, and when the next attempt is, monotonic.
    private(set) var since = MonotonicTime(nanoseconds: 0)
    private(set) var nextAttempt = MonotonicTime.distantPast
    /// Connections and attempts that have ended since a session was last ready. Those that end
    /// while the vendor restarts its servers are not counted.
    private(set) var failures = 0
    /// When bytes last came, and when the server was last asked for its time, monotonic.
    private(set) var lastMessage = MonotonicTime.distantPast
    private var heartbeatAt = MonotonicTime.distantPast
    /// Nothing has come since the last question for the time.
    private var isHeartbeatOpen = false
    /// The two parts of the server's answer to the introduction have come: the next free request
    /// number, and the names of the accounts.
    private var hasID = false
    private var hasAccounts = false
    /// When the failures began, monotonic (`nil`: the last attempt did not fail); and whether the
    /// alarm was raised.
    private var failingSince: MonotonicTime?
    private var hasAlarmed = false
    /// The wait after a server that did not answer, or a session that did not become ready. And the
    /// wait after a port that refused immediately, or a connection that ended when it was ready.
    /// The second one is short, so that a restarted TWS is reached as soon as it listens.
    private var backoff: Backoff
    private var prompt = Backoff(first: .seconds(2), limit: .seconds(2))
    private var random: SeededRandom

    /// The number of failures in a row that raises the alarm.
    private let alarmAttempts: Int

    init(_ settings: IBEngineSettings) {
        random = SeededRandom(seed: settings.seed)
        backoff = Backoff(
            first: settings.reconnectFirst,
            limit: max(settings.reconnectFirst, settings.reconnectMax))
        alarmAttempts = settings.alarmAttempts
    }

    var isReady: Bool { phase == .ready }

    /// Begins: a connection is wanted, and the first attempt is due immediately.
    mutating func begin(_ now: MonotonicTime) {
        guard phase == .idle else { return }
        enter(.waiting, now)
        nextAttempt = now
    }

    /// Ends: no connection is wanted any more.
    mutating func end(_ now: MonotonicTime) { enter(.idle, now) }

    /// Notes that the socket is open.
    mutating func connected(_ now: MonotonicTime) {
        hasID = false
        hasAccounts = false
        isHeartbeatOpen = false
        lastMessage = now
        enter(.greeting, now)
    }

    /// Notes the server's greeting.
    mutating func greeted(_ now: MonotonicTime) { enter(.starting, now) }

    /// Notes parts of the server's answer to the introduction. Returns true when the session is
    /// ready.
    mutating func received(id: Bool, accounts: Bool, _ now: MonotonicTime) -> Bool {
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

    /// Notes that bytes have come: the connection is alive.
    mutating func received(_ now: MonotonicTime) {
        lastMessage = now
        isHeartbeatOpen = false
    }

    /// Notes that the caller is asked to close the connection.
    mutating func closing(_ reason: String, _ now: MonotonicTime) {
        guard phase != .idle else { return }
        self.reason = reason.cutToReason
        enter(.closing, now)
    }

    /// Notes the end of a connection or of an attempt. Returns true when this failure raises the
    /// alarm. `isReset`: the vendor restarts its servers at this time, so it is no failure.
    mutating func lost(_ reason: String, isReset: Bool, _ now: MonotonicTime) -> Bool {
        guard phase != .idle else { return false }
        // After our own close, its reason says more than how the socket ended.
        if phase != .closing || self.reason.isEmpty {
            // TWS says nothing to a client that it does not trust.
            let isRefused = phase == .greeting || phase == .starting
            self.reason = (isRefused ? "\(reason): \(Self.refusedAdvice)" : reason).cutToReason
        }
        let wait =
            wasAnswered(now) ? prompt.next(using: &random) : backoff.next(using: &random)
        nextAttempt = now.advanced(by: wait)
        enter(.waiting, now)
        guard !isReset else { return false }
        failures = min(failures + 1, 1_000_000)
        let since = failingSince ?? now
        failingSince = since
        guard !hasAlarmed, failures >= alarmAttempts,
            now >= since + Self.alarmAfter
        else { return false }
        hasAlarmed = true
        return true
    }

    /// Returns whether a server is there: the port refused immediately, or the connection was
    /// ready.
    private func wasAnswered(_ now: MonotonicTime) -> Bool {
        phase == .ready
            || phase == .connecting && now < since + EngineLimits.refusedAtOnce
    }

    /// Returns what is due now. Of the phases only `waiting` changes, to `connecting`.
    mutating func timePassed(_ now: MonotonicTime) -> SessionAction {
        switch phase {
        case .idle, .closing: return .none
        case .waiting:
            guard now >= nextAttempt else { return .none }
            enter(.connecting, now)
            return .connect
        case .connecting: return .none
        case .greeting, .starting:
            guard now >= since + EngineLimits.openingWait else { return .none }
            let step = phase == .greeting ? "the handshake" : "the client's introduction"
            return .close("no answer to \(step) in 10 s: check that this is the API port")
        case .ready: return watch(now)
        }
    }

    /// Returns a heartbeat, a question for the server's time, once a minute and after 15 s without
    /// any bytes. If nothing comes after it, the connection is dead.
    private mutating func watch(_ now: MonotonicTime) -> SessionAction {
        if isHeartbeatOpen {
            guard now >= heartbeatAt + EngineLimits.heartbeatWait else { return .none }
            return .close("nothing came for 20 s after asking for the time: the connection is dead")
        }
        let isQuiet =
            now >= lastMessage + EngineLimits.quietBeforeHeartbeat
            && now >= heartbeatAt + EngineLimits.quietBeforeHeartbeat
        guard isQuiet || now >= heartbeatAt + EngineLimits.heartbeatInterval else {
            return .none
        }
        heartbeatAt = now
        isHeartbeatOpen = true
        return .heartbeat
    }

    /// When `timePassed` has something to do next, monotonic; `never`: nothing.
    var nextDue: MonotonicTime {
        switch phase {
        case .idle, .closing, .connecting: .never
        case .waiting: nextAttempt
        case .greeting, .starting: since + EngineLimits.openingWait
        case .ready where isHeartbeatOpen: heartbeatAt + EngineLimits.heartbeatWait
        case .ready:
            min(
                heartbeatAt + EngineLimits.heartbeatInterval,
                max(lastMessage, heartbeatAt) + EngineLimits.quietBeforeHeartbeat)
        }
    }

    private mutating func enter(_ next: Phase, _ now: MonotonicTime) {
        phase = next
        since = now
    }
}
