internal import ServiceRuntime

/// What wakes a provider's thread that waits for answers.
package final class ProviderWake: Sendable {
    /// One waiting wake is enough.
    private let wakes = Mailbox<Bool>(capacity: 1)

    package init() {}

    /// Any thread may call it.
    package func wake() {
        // When it is full, the thread wakes anyway.
        _ = wakes.send(true)
    }

    /// Waits for a wake, at most so long.
    package func wait(_ timeout: Duration) {
        var taken: [Bool] = []
        _ = wakes.receive(into: &taken, max: 1, timeout: timeout)
    }
}
