import Primitives

/// A bounded queue between threads: many producers, one consumer, first in first out.
///
/// At the limit `send` returns false immediately and `sendWaiting` blocks; the caller chooses. A
/// hand-over costs tens of microseconds, so packets go through it, never single ticks.
package final class Mailbox<Element: Sendable>: Sendable {
    /// The most elements that wait at the same time. Their memory is reserved from the start.
    package let capacity: Int

    private let lock: ConditionLock<Ring<Element>>
    private let clock = SystemClock()

    package init(capacity: Int) {
        precondition(capacity > 0, "a mailbox holds at least one element, not \(capacity)")
        self.capacity = capacity
        lock = ConditionLock(Ring(capacity: capacity))
    }

    package var count: Int { lock.withLock { $0.count } }
    package var isClosed: Bool { lock.withLock { $0.isClosed } }

    /// Appends the element. Never blocks. Returns false when the mailbox is full or closed.
    package func send(_ element: Element) -> Bool {
        let wake = lock.withLock { ring -> Bool? in
            guard !ring.isClosed, !ring.isFull else { return nil }
            return ring.append(element)
        }
        guard let wake else { return false }
        if wake { lock.wakeAll() }
        return true
    }

    /// Appends the element, and waits for room for at most `timeout`. Returns false when there was
    /// none in time, or when the mailbox is closed.
    package func sendWaiting(_ element: Element, timeout: Duration) -> Bool {
        let deadline = deadline(after: timeout)
        return lock.wait(until: deadline, while: { $0.isFull && !$0.isClosed }) { ring, wakeAll in
            guard !ring.isClosed, !ring.isFull else { return false }
            if ring.append(element) { wakeAll() }
            return true
        }
    }

    /// Appends at most `max` waiting elements to `buffer` and returns how many. It returns
    /// immediately when there are any, and waits otherwise. 0: nothing came in time, or the mailbox
    /// is closed and empty. Elements that were sent before the close are still returned.
    package func receive(into buffer: inout [Element], max: Int, timeout: Duration) -> Int {
        precondition(max > 0, "a receive takes at least one element, not \(max)")
        let deadline = deadline(after: timeout)
        return lock.wait(until: deadline, while: { $0.count == 0 && !$0.isClosed }) {
            ring, wakeAll in
            let wasFull = ring.isFull
            let taken = min(max, ring.count)
            for _ in 0..<taken {
                if let element = ring.removeFirst() { buffer.append(element) }
            }
            if wasFull && taken > 0 { wakeAll() }
            return taken
        }
    }

    /// Returns the deadline of a wait; `nil` when there is nothing to wait for.
    private func deadline(after timeout: Duration) -> MonotonicTime? {
        timeout > .zero ? clock.deadline(after: timeout) : nil
    }

    /// Accepts no more elements and wakes all threads. Idempotent.
    package func close() { lock.change { $0.isClosed = true } }
}

/// A ring buffer of fixed size. A free slot holds no reference.
private struct Ring<Element> {
    private var slots: [Element?]
    private var first = 0
    private(set) var count = 0
    var isClosed = false

    init(capacity: Int) { slots = Array(repeating: nil, count: capacity) }

    var isFull: Bool { count == slots.count }

    /// Appends an element. Returns true when the ring was empty, so that a consumer may be asleep.
    mutating func append(_ element: Element) -> Bool {
        slots[(first + count) % slots.count] = element
        count += 1
        return count == 1
    }

    mutating func removeFirst() -> Element? {
        guard count > 0, let element = slots[first] else { return nil }
        slots[first] = nil
        first = (first + 1) % slots.count
        count -= 1
        return element
    }
}
