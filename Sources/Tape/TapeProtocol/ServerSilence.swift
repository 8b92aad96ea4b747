package import Primitives

/// Distinguishes a server that sends nothing from a process that has not read its messages.
///
/// A thread that works through a backlog, and a process that gets little processor time, read
/// answers late: the deadline has passed, but the answer is in the queue. So a passed deadline is
/// first only noticed. It counts when everything that had arrived by then was handled.
///
/// Pure. Each lane of `TapePublisher` and each reader of `TapeReaders` has one. Times are
/// monotonic.
package struct ServerSilence: Hashable, Sendable {
    /// The wait after the notice. What arrived while the process did not run at all is in the
    /// socket, where it is not counted yet.
    package static let graceNanoseconds: Int64 = 250_000_000

    /// `nil` until a deadline is noticed to have passed.
    private var notice: Notice?

    private struct Notice: Hashable, Sendable {
        /// The deadline that was noticed to have passed. An answer that is found after all sets
        /// another one.
        var deadline: MonotonicTime
        /// When it was noticed, and how many messages had arrived by then.
        var at: MonotonicTime
        var arrived: UInt64
    }

    package init() {}

    /// Call this in every turn after the deadline. `arrived` and `handled` are the numbers of
    /// messages that have come to the thread's queue, and that the thread has taken out, since its
    /// start. Returns true when the deadline counts; the next one is then noticed again.
    package mutating func counts(
        deadline: MonotonicTime, now: MonotonicTime, arrived: UInt64, handled: UInt64
    ) -> Bool {
        guard let notice, notice.deadline == deadline else {
            self.notice = Notice(deadline: deadline, at: now, arrived: arrived)
            return false
        }
        guard handled >= notice.arrived, now - notice.at >= Self.graceNanoseconds else {
            return false
        }
        self.notice = nil
        return true
    }
}
