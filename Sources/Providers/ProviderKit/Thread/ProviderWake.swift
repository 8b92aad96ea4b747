internal import ServiceRuntime

/// What wakes the polling thread.
final class PolledWake: Sendable {
    /// One waiting wake is enough.
    private let wakes = Mailbox<Bool>(capacity: 1)

    /// Any thread may call it.
    func wake() {
        // When it is full, the thread wakes anyway.
        _ = wakes.send(true)
    }

    /// Waits for a wake, at most so long.
    func wait(_ timeout: Duration) {
        var taken: [Bool] = []
        _ = wakes.receive(into: &taken, max: 1, timeout: timeout)
    }
}
