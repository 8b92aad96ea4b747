internal import Glibc
import Primitives

/// State behind a mutex with one condition variable. `Mutex` of the standard library cannot sleep
/// until another thread changes the state.
///
/// It is the only lock of this module, even where no thread waits: ThreadSanitizer knows pthreads,
/// but reports a contended `Mutex` as a race.
///
/// Waits use the monotonic clock, so that a step of the wall clock neither ends nor prolongs them.
// Safety: `state` is accessed only between lock and unlock of `mutex`. Both C objects have
// allocated addresses that stay the same until `deinit`.
@safe
final class ConditionLock<State>: @unchecked Sendable {
    private var state: State
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    init(_ initial: State) {
        state = initial
        unsafe mutex = .allocate(capacity: 1)
        unsafe condition = .allocate(capacity: 1)
        unsafe checked(pthread_mutex_init(mutex, nil))
        var attributes = pthread_condattr_t()
        unsafe checked(pthread_condattr_init(&attributes))
        unsafe checked(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC))
        unsafe checked(pthread_cond_init(condition, &attributes))
        unsafe checked(pthread_condattr_destroy(&attributes))
    }

    deinit {
        // No thread waits here any more: a waiting thread holds a reference.
        unsafe checked(pthread_cond_destroy(condition))
        unsafe checked(pthread_mutex_destroy(mutex))
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    func withLock<Result>(_ body: (inout State) -> Result) -> Result {
        lock()
        defer { unlock() }
        return body(&state)
    }

    /// Changes the state and wakes all threads that wait for it.
    func change<Result>(_ body: (inout State) -> Result) -> Result {
        lock()
        defer { unlock() }
        let result = body(&state)
        wakeAll()
        return result
    }

    /// Sleeps as long as `isBlocked` returns true, at most until `deadline` of the monotonic clock.
    /// Then runs `body` on the present state, which must check which of the two happened. `body`
    /// gets a closure that wakes the other waiters.
    ///
    /// Without a deadline (`nil`) it never sleeps. A condition wait whose deadline has passed costs
    /// two or three system calls: it leaves the mutex marked as contended.
    func wait<Result>(
        until deadline: MonotonicTime?, while isBlocked: (State) -> Bool,
        then body: (inout State, _ wakeAll: () -> Void) -> Result
    ) -> Result {
        lock()
        defer { unlock() }
        while let deadline, isBlocked(state) {
            if !sleep(until: deadline) { break }
        }
        return body(&state, wakeAll)
    }

    func wakeAll() { unsafe checked(pthread_cond_broadcast(condition)) }

    /// Returns false when the deadline has passed.
    private func sleep(until deadline: MonotonicTime) -> Bool {
        let nanoseconds = max(0, deadline.nanoseconds)
        var time = timespec()
        time.tv_sec = Int(nanoseconds / 1_000_000_000)
        time.tv_nsec = Int(nanoseconds % 1_000_000_000)
        let result = unsafe pthread_cond_timedwait(condition, mutex, &time)
        if result == ETIMEDOUT { return false }
        checked(result)
        return true
    }

    private func lock() { unsafe checked(pthread_mutex_lock(mutex)) }
    private func unlock() { unsafe checked(pthread_mutex_unlock(mutex)) }
}

/// Checks a result. The calls above fail only when they are used wrongly.
private func checked(_ result: Int32) {
    precondition(result == 0, "a lock was used wrongly: errno \(result)")
}
