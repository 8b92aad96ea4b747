import Primitives

/// The limits of the operations port, each with its behaviour.
package struct OperationsLimits: Sendable {
    /// The most open connections. At one more, the address with the most connections loses the one
    /// with the nearest deadline, so that a scrape always gets in.
    package var connectionsMax = 256
    /// The most open connections of one address (IPv6: of one /64). At one more, its connection
    /// with the nearest deadline is cut.
    package var connectionsPerAddressMax = 64
    /// The time from connecting to the end of the first answer, and from the arrival of any
    /// request's header to the end of its answer. It counts from the start, not from the last byte.
    /// Then the connection is cut.
    package var requestDeadline = Duration.seconds(5)
    /// The time from the end of an answer to the end of the next one on a kept connection. It is
    /// longer than the pause between two scrapes. Then the connection is cut.
    package var keptConnectionDeadline = Duration.seconds(75)
    /// The bytes for the request line and headers of one connection. Beyond it the status is 431 or
    /// 414.
    package var headerBytesMax = 16_384
    /// The bytes of all answers that wait for slow readers. Beyond it the status is 503. A single
    /// answer may be larger.
    package var pendingAnswerBytesMax = 16 << 20
    /// The bytes that one section may write into `/status`. Beyond it, its size is shown instead.
    package var statusSectionBytesMax = 65_536

    package init() {}

    /// Checks relations between the limits; a violation is a bug.
    func check() {
        precondition(connectionsMax > 0, "the operations port needs at least one connection")
        precondition(
            (1...connectionsMax).contains(connectionsPerAddressMax),
            "an address may have 1 to \(connectionsMax) connections")
        precondition(
            requestDeadline > .zero && keptConnectionDeadline > .zero,
            "the deadlines of the operations port are positive")
        precondition(headerBytesMax >= 1_024, "headers need at least 1,024 bytes")
    }
}
