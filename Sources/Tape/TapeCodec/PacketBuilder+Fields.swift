internal import MarketModel
internal import Primitives

/// The result of appending a tick to a packet.
public enum AppendOutcome: Hashable, Sendable {
    case appended
    /// The tick has to wait for the next packet.
    case full
    /// The tick fits into no packet, so waiting does not help.
    case refused(FieldTooLong)
}

/// A field of variable length that is longer than its limit.
public struct FieldTooLong: Error, Hashable, Sendable, CustomStringConvertible {
    /// The name of the field, for people.
    public let field: String
    public let bytes: Int
    public let bytesMax: Int

    public init(field: String, bytes: Int, bytesMax: Int) {
        self.field = field
        self.bytes = bytes
        self.bytesMax = bytesMax
    }

    public var description: String {
        "\(field) has \(bytes) bytes and at most \(bytesMax) fit on the tape; shorten or skip it"
    }
}

// What the writers in the folder `Records` share. All bytes of a block are written, including the
// unused ones, because the reused buffer holds bytes of an earlier packet.
extension PacketBuilder {
    /// A field of variable length. More than `bytesMax` bytes are refused.
    struct Field {
        let name: String
        let bytes: [UInt8]
        let bytesMax: Int

        init(_ name: String, _ text: String, _ bytesMax: Int) {
            self.init(name, Array(text.utf8), bytesMax)
        }

        init(_ name: String, _ bytes: [UInt8], _ bytesMax: Int) {
            self.name = name
            self.bytes = bytes
            self.bytesMax = bytesMax
        }
    }

    /// Appends a tick with fields of variable length. `block` is the length of its block, and
    /// `write` writes what the block has after the tick header. The provider time of such a tick
    /// decides no window and may be long past. So it counts in `oldestEventTime` with its receive
    /// time.
    mutating func append(
        _ template: UInt16, _ block: Int, _ header: TickHeader, _ fields: [Field],
        _ write: (UnsafeMutableRawBufferPointer, _ body: Int) -> Void
    ) -> AppendOutcome {
        var variableBytes = 0
        for field in fields {
            guard field.bytes.count <= field.bytesMax else {
                return .refused(
                    FieldTooLong(
                        field: field.name, bytes: field.bytes.count, bytesMax: field.bytesMax))
            }
            variableBytes += WireFormat.lengthBytes + field.bytes.count
        }
        guard let body = beginTick(template, block, header, variableBytes: variableBytes) else {
            return .full
        }
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe write(buffer, body)
            var offset = body + block
            for field in fields {
                unsafe buffer.put(UInt32(field.bytes.count), at: offset)
                unsafe buffer.put(field.bytes, at: offset + WireFormat.lengthBytes)
                offset += WireFormat.lengthBytes + field.bytes.count
            }
        }
        used += variableBytes
        counted(header.receiveTime)
        return .appended
    }

    /// Defines the symbol if needed, and writes message header and tick header. Returns the offset
    /// of the block. Returns `nil` and writes nothing when the tick, with `variableBytes` after its
    /// block, has to wait for the next packet.
    mutating func beginTick(
        _ template: UInt16, _ block: Int, _ header: TickHeader, variableBytes: Int = 0
    ) -> Int? {
        let needed =
            WireFormat.messageHeaderBytes + block + variableBytes
            + PacketLimits.definitionsOfTickBytesMax
        guard !isFull else { return nil }
        if used + needed > bytes.count { enlarge(toHold: used + needed) }
        guard used + needed <= bytes.count else { return nil }
        let index = symbolIndex(header)
        let body = begin(template, block: block)
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe buffer.put(header, index: index, at: body)
        }
        return body
    }

    /// Returns the symbol's index in this packet; `noSymbol` stays as it is.
    mutating func symbolIndex(_ header: TickHeader) -> UInt32 {
        header.symbol == TickHeader.noSymbol ? TickHeader.noSymbol : defineSymbol(header.symbol)
    }
}
