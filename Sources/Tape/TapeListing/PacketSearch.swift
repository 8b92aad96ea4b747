package import NatsTransport
internal import TapeCodec
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
    /// Ordinals rise along a subject, so a binary search finds it, in some 50 requests at most.
    /// `check` is called before each and may throw, to end a search that takes too long.
    package func first(
        endingAt ordinal: UInt64, through last: UInt64, check: () throws -> Void = {}
    ) throws -> StoredPacket? {
        var (low, high) = (1 as UInt64, last)
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
            if packet.header.nextOrdinal <= ordinal {
                low = packet.last.sequence + 1
            } else {
                found = packet
                high = middle - 1
            }
        }
        return found
    }
}
