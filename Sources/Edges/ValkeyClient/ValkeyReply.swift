internal import CHiredis

/// One word of a command; any bytes are allowed.
package enum ValkeyArgument: Equatable, Sendable {
    case text(String)
    case bytes([UInt8])
    case integer(Int64)

    var encoded: [UInt8] {
        switch self {
        case .text(let text): Array(text.utf8)
        case .bytes(let bytes): bytes
        case .integer(let value): Array(String(value).utf8)
        }
    }
}

extension ValkeyArgument: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    package init(stringLiteral value: String) { self = .text(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
}

/// The server's answer to one command.
package enum ValkeyReply: Equatable, Sendable {
    case string([UInt8])
    case integer(Int64)
    case array([ValkeyReply])
    case null
    /// `OK`, `QUEUED` …
    case status(String)
    /// The command failed (`WRONGTYPE …`); its neighbours in a pipeline did not.
    case error(String)
}

extension ValkeyReply {
    /// The text of a string or status; malformed UTF-8 becomes U+FFFD.
    package var text: String? {
        switch self {
        case .string(let bytes): String(decoding: bytes, as: UTF8.self)
        case .status(let text): text
        case .integer, .array, .null, .error: nil
        }
    }

    package var errorMessage: String? {
        guard case .error(let message) = self else { return nil }
        return message
    }

    /// Copies hiredis' reply, which the caller keeps owning. hiredis has bounded its depth.
    init(_ reply: UnsafePointer<redisReply>) {
        let type = unsafe reply.pointee.type
        // Safety: str and element have len and elements entries as long as the reply lives.
        let bytes = unsafe UnsafeRawBufferPointer(
            start: reply.pointee.str, count: reply.pointee.str == nil ? 0 : reply.pointee.len)
        switch type {
        case REDIS_REPLY_STRING: self = .string(unsafe Array(bytes))
        case REDIS_REPLY_STATUS: self = .status(unsafe String(decoding: bytes, as: UTF8.self))
        case REDIS_REPLY_ERROR: self = .error(unsafe String(decoding: bytes, as: UTF8.self))
        case REDIS_REPLY_INTEGER: self = .integer(unsafe reply.pointee.integer)
        case REDIS_REPLY_ARRAY:
            var elements: [ValkeyReply] = []
            for index in unsafe 0..<reply.pointee.elements {
                guard let element = unsafe reply.pointee.element[index] else { continue }
                elements.append(unsafe ValkeyReply(element))
            }
            self = .array(elements)
        default: self = .null
        }
    }
}
