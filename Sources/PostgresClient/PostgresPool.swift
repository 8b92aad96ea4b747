internal import Glibc

/// At most so many sessions with one server, for threads that need one now and then.
///
/// Thread-safe. Sessions are made when they are needed and kept. One that is broken, or that was
/// given back inside of a transaction, is closed, and the next borrower gets a new one.
// Safety: `state` is touched only between lock and unlock; a session is in `idle` or with one
// borrower, never both; the C objects live at allocated addresses until `deinit`.
@safe
public final class PostgresPool: @unchecked Sendable {
    private struct State {
        var idle: [PostgresConnection] = []
        /// Those that are lent, and those that are being made.
        var lent = 0
        var isClosed = false
    }

    public let peer: String
    public let sessionsMax: Int
    private let configuration: PostgresConfiguration
    private let onNotice: @Sendable (String) -> Void
    private var state = State()
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>

    public init(
        _ configuration: PostgresConfiguration, sessionsMax: Int,
        onNotice: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        precondition(
            (1...PostgresLimits.poolSessionsMax).contains(sessionsMax),
            "a pool of \(sessionsMax) sessions; it has 1 to \(PostgresLimits.poolSessionsMax)")
        self.configuration = configuration
        self.sessionsMax = sessionsMax
        self.onNotice = onNotice
        peer = configuration.peer
        unsafe mutex = .allocate(capacity: 1)
        unsafe changed = .allocate(capacity: 1)
        unsafe checked(pthread_mutex_init(mutex, nil))
        var attributes = pthread_condattr_t()
        unsafe checked(pthread_condattr_init(&attributes))
        unsafe checked(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC))
        unsafe checked(pthread_cond_init(changed, &attributes))
        unsafe checked(pthread_condattr_destroy(&attributes))
    }

    deinit {
        // Nobody waits here any more: a borrower holds a reference.
        unsafe checked(pthread_cond_destroy(changed))
        unsafe checked(pthread_mutex_destroy(mutex))
        unsafe changed.deallocate()
        unsafe mutex.deallocate()
    }

    /// How many sessions there are, lent and idle.
    public var sessionCount: Int { withLock { $0.lent + $0.idle.count } }

    /// Runs `body` with a session of its own. `timeout` bounds waiting for one and connecting;
    /// what `body` does has its own deadlines. The session must not be kept.
    public func withSession<Result>(
        timeout: Duration, _ body: (PostgresConnection) throws(PostgresError) -> Result
    ) throws(PostgresError) -> Result {
        let deadline = Deadline(after: timeout)
        let session: PostgresConnection
        if let idle = try lend(deadline) {
            session = idle
        } else {
            do throws(PostgresError) {
                session = try PostgresConnection(
                    configuration, timeout: deadline.left, onNotice: onNotice)
            } catch {
                giveBack(nil)
                throw error
            }
        }
        defer { giveBack(session) }
        return try body(session)
    }

    /// Lends nothing more, closes what is idle, and waits until the borrowers have given theirs
    /// back, which are closed then. False: some are still lent when the time is over.
    @discardableResult
    public func close(timeout: Duration) -> Bool {
        let deadline = Deadline(after: timeout)
        lock()
        defer { unlock() }
        state.isClosed = true
        for session in state.idle { session.close() }
        state.idle.removeAll()
        wakeAll()
        while state.lent > 0, waitForChange(deadline) {}
        return state.lent == 0
    }

    // MARK: lending

    /// nil: the borrower makes one, for which there is room.
    private func lend(_ deadline: Deadline) throws(PostgresError) -> PostgresConnection? {
        lock()
        defer { unlock() }
        while true {
            guard !state.isClosed else { throw .closed(operation: "borrow", peer: peer) }
            // The last one that came back: those that are not needed stay behind.
            while let session = state.idle.popLast() {
                guard session.isAlive else {
                    session.close()
                    continue
                }
                state.lent += 1
                return session
            }
            if state.lent < sessionsMax {
                state.lent += 1
                return nil
            }
            guard waitForChange(deadline) else {
                throw .timeout(
                    operation: "borrow one of \(sessionsMax) sessions", peer: peer,
                    after: deadline.allowed)
            }
        }
    }

    private func giveBack(_ session: PostgresConnection?) {
        lock()
        defer { unlock() }
        state.lent -= 1
        if let session {
            if session.isUsable, !session.isInTransaction, !state.isClosed {
                state.idle.append(session)
            } else {
                session.close()
            }
        }
        wakeAll()
    }

    // MARK: lock

    private func withLock<Result>(_ body: (State) -> Result) -> Result {
        lock()
        defer { unlock() }
        return body(state)
    }

    /// False: the deadline has passed.
    private func waitForChange(_ deadline: Deadline) -> Bool {
        guard let milliseconds = deadline.millisecondsLeft else { return false }
        var end = timespec()
        guard unsafe clock_gettime(CLOCK_MONOTONIC, &end) == 0 else { return false }
        end.tv_sec += Int(milliseconds) / 1_000
        end.tv_nsec += Int(milliseconds) % 1_000 * 1_000_000
        if end.tv_nsec >= 1_000_000_000 {
            end.tv_sec += 1
            end.tv_nsec -= 1_000_000_000
        }
        let result = unsafe pthread_cond_timedwait(changed, mutex, &end)
        if result == ETIMEDOUT { return deadline.millisecondsLeft != nil }
        checked(result)
        return true
    }

    private func lock() { unsafe checked(pthread_mutex_lock(mutex)) }
    private func unlock() { unsafe checked(pthread_mutex_unlock(mutex)) }
    private func wakeAll() { unsafe checked(pthread_cond_broadcast(changed)) }
}

/// The calls above fail only when they are used wrongly.
private func checked(_ result: Int32) {
    precondition(result == 0, "a lock was used wrongly: errno \(result)")
}
