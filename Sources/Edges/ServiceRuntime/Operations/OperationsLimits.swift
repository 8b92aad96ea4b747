import Primitives

/// What the operations port grants to those who connect. Each limit has its behaviour beside it.
public struct OperationsLimits: Sendable {
    /// Open connections. One more: of the address that holds the most, the connection whose
    /// deadline is nearest is cut, so that a scrape always gets in.
    public var connectionsMax = 256
    /// Open connections of one address (IPv6: of one /64). One more: its connection with the
    /// nearest deadline is cut.
    public var connectionsPerAddressMax = 64
    /// From connecting to the end of the first answer, and from the arrival of any request's header
    /// to the end of its answer. It counts from the start, not from the last byte: then cut.
    public var requestDeadline = Duration.seconds(5)
    /// From the end of an answer to the end of the next one on a connection that is kept. Longer
    /// than the pause between two scrapes: then cut.
    public var keptConnectionDeadline = Duration.seconds(75)
    /// Memory for the request line and headers of one connection, in bytes: then status 431 or 414.
    public var headerBytesMax = 16_384
    /// Answers that wait for slow readers, in bytes, all together: then status 503. One answer
    /// alone may be larger.
    public var pendingAnswerBytesMax = 16 << 20
    /// What one section may write into `/status`, in bytes: then its size stands in its place.
    public var statusSectionBytesMax = 65_536

    public init() {}

    /// Relations between the limits; a violation is a bug.
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
