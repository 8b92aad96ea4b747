import Glibc

/// State behind a lock, with a condition that threads can wait for: a mutex and a condition
/// variable on the monotonic clock.
///
/// `Synchronization` has no condition variable. When its `Mutex` is contended, the kernel hands it
/// over, which ThreadSanitizer does not see and reports as a race. So all state that several
/// threads really share is in a monitor.
@safe
final class Monitor<State: Sendable>: @unchecked Sendable {
    // Safety: `state` is accessed only while `mutex` is held. Both pthread objects have fixed
    // addresses from init to deinit.
    private var state: State
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init(_ state: State) {
        self.state = state
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        let made =
            unsafe pthread_mutex_init(mutex, nil) == 0
            && pthread_cond_init(condition, &attributes) == 0
        precondition(made, "no memory for a lock")
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    /// Changes the state and wakes all threads that wait for a change.
    func withLock<Result, Failure: Error>(
        _ body: (inout State) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer {
            unsafe pthread_cond_broadcast(condition)
            unsafe pthread_mutex_unlock(mutex)
        }
        return try body(&state)
    }

    /// Calls `body` after every change until it returns a value. Returns `nil` when the time is up.
    func wait<Result>(_ timeout: Duration, _ body: (inout State) -> Result?) -> Result? {
        var deadline = Self.deadline(after: timeout)
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        while true {
            if let result = body(&state) { return result }
            guard unsafe pthread_cond_timedwait(condition, mutex, &deadline) == 0 else {
                return body(&state)
            }
        }
    }

    private static func deadline(after timeout: Duration) -> timespec {
        var now = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        let milliseconds = timeout.natsMilliseconds
        let nanoseconds = now.tv_nsec + Int(milliseconds % 1_000) * 1_000_000
        return timespec(
            tv_sec: now.tv_sec + Int(milliseconds / 1_000) + nanoseconds / 1_000_000_000,
            tv_nsec: nanoseconds % 1_000_000_000)
    }
}
