/// Why bytes are not a packet of the tape: the reason, the place, the expected and the found
/// number.
public struct PacketError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Reason: String, Sendable {
        case truncated = "the packet ends inside a message"
        case tooLarge = "the packet is larger than the limit"
        case wrongLength = "the length in the header is not that of the packet"
        case wrongChecksum = "the checksum does not fit the content"
        case wrongCount = "the number of ticks is not that of the header"
        case notAPacket = "the first message is no packet header"
        case foreignSchema = "the schema is not the tape's"
        case badValue = "a field holds no value of its type"
    }

    public let reason: Reason
    /// Counted from the start of the packet.
    public let offset: Int
    /// Two sizes in bytes, two counts or two values of a field, as the reason says.
    public let expected: UInt64
    public let found: UInt64

    public init(_ reason: Reason, offset: Int, expected: UInt64, found: UInt64) {
        self.reason = reason
        self.offset = offset
        self.expected = expected
        self.found = found
    }

    public var description: String {
        "\(reason.rawValue) (offset \(offset), expected \(expected), found \(found))"
    }
}
