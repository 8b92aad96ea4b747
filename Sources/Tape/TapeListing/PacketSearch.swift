package import NatsTransport
package import TapeCodec
internal import TapeProtocol
package import TapeTransport

/// Finds packets of one subject of the tape by single requests, without a consumer. Every call
/// blocks.
package struct PacketSearch {
    private let jetStream: JetStream
    private let stream: String
    private let subject: String

    /// `subject` may have wildcards only for callers that do not search by ordinals.
    package init(_ jetStream: JetStream, stream: String, subject: String) {
        self.jetStream = jetStream
        self.stream = stream
        self.subject = subject
    }

    /// Returns the first packet up to the sequence `last` that ends at the ordinal or after it.
    /// Ordinals rise along a subject.
    package func first(
        endingAt ordinal: UInt64, through last: UInt64, check: () throws -> Void = {}
    ) throws -> StoredPacket? {
        try first(through: last, check: check) { $0.nextOrdinal > ordinal }
    }

    /// Returns the first packet between two sequences for which it is true, as it is for all after
    /// it. A binary search finds it, in some 50 requests at most. `check` is called before each
    /// and may throw, to end a search that takes too long.
    package func first(
        from first: UInt64 = 1, through last: UInt64, check: () throws -> Void = {},
        where isThere: (PacketHeader) -> Bool
    ) throws -> StoredPacket? {
        var (low, high) = (first, last)
        var found: StoredPacket?
        while low <= high {
            try check()
            let middle = low + (high - low) / 2
            let message = try jetStream.firstMessage(
                stream: stream, from: middle, subject: subject)
            guard let packet = try message.map({ try StoredPacket($0) }) else {
                high = middle - 1
                continue
            }
            if isThere(packet.header) {
                found = packet
                high = middle - 1
            } else {
                low = packet.last.sequence + 1
            }
        }
        return found
    }
}
