/// A frame of the WebSocket protocol (RFC 6455), as a server reads and writes it.
package struct WebSocketFrame: Equatable, Sendable {
    package enum Kind: UInt8, Sendable {
        case continuation = 0
        case text = 1
        case binary = 2
        case close = 8
        case ping = 9
        case pong = 10
    }

    package var kind: Kind
    package var isLast: Bool
    package var payload: [UInt8]

    package init(kind: Kind, isLast: Bool = true, payload: [UInt8]) {
        (self.kind, self.isLast, self.payload) = (kind, isLast, payload)
    }

    package enum Reading: Equatable, Sendable {
        case frame(WebSocketFrame, bytes: Int)
        case incomplete
        /// It is none, or no client may send it.
        case malformed
    }

    /// Reads the first frame of a client's bytes. Clients mask what they send.
    package static func read(_ bytes: [UInt8]) -> Reading {
        guard bytes.count >= 2 else { return .incomplete }
        guard bytes[0] & 0x70 == 0, let kind = Kind(rawValue: bytes[0] & 0x0f),
            bytes[1] & 0x80 != 0
        else { return .malformed }
        // What controls the connection is short and in one frame.
        let isControl = kind.rawValue >= Kind.close.rawValue
        guard !isControl || (bytes[0] & 0x80 != 0 && bytes[1] & 0x7f < 126) else {
            return .malformed
        }
        var place = 2
        var length = Int(bytes[1] & 0x7f)
        if length >= 126 {
            let count = length == 126 ? 2 : 8
            guard bytes.count >= place + count else { return .incomplete }
            let long = bytes[place..<place + count].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            guard long <= UInt64(WebLimits.requestBytesMax) else { return .malformed }
            length = Int(long)
            place += count
        }
        guard bytes.count >= place + 4 + length else { return .incomplete }
        let mask = bytes[place..<place + 4]
        let masked = bytes[place + 4..<place + 4 + length]
        let payload = masked.enumerated().map { $1 ^ mask[place + $0 % 4] }
        return .frame(
            WebSocketFrame(kind: kind, isLast: bytes[0] & 0x80 != 0, payload: payload),
            bytes: place + 4 + length)
    }

    package static func text(_ bytes: [UInt8]) -> WebSocketFrame {
        WebSocketFrame(kind: .text, payload: bytes)
    }

    package static func binary(_ bytes: [UInt8]) -> WebSocketFrame {
        WebSocketFrame(kind: .binary, payload: bytes)
    }

    package static func close(_ code: UInt16, _ reason: String = "") -> WebSocketFrame {
        WebSocketFrame(
            kind: .close, payload: [UInt8(code >> 8), UInt8(code & 0xff)] + Array(reason.utf8))
    }

    /// Appends the frame as a server sends it.
    package func append(to bytes: inout [UInt8]) {
        bytes.append((isLast ? 0x80 : 0) | kind.rawValue)
        if payload.count < 126 {
            bytes.append(UInt8(payload.count))
        } else if payload.count < 65_536 {
            bytes += [126, UInt8(payload.count >> 8), UInt8(payload.count & 0xff)]
        } else {
            bytes.append(127)
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: payload.count >> (56 - 8 * $0)) }
        }
        bytes += payload
    }
}
