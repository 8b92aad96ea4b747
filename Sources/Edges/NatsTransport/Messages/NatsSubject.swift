/// Checks subjects before libnats or the server get them. Neither checks closely: a blank would
/// shift the protocol line, and for an empty token the server closes the connection permanently.
enum NatsSubject {
    enum Use {
        /// A literal subject, for publishing or as a reply subject.
        case literal
        /// May hold `*` tokens and end with `>`.
        case pattern
    }

    /// Returns what is wrong with `text`, or `nil`.
    static func problem(_ text: String, _ use: Use) -> String? {
        let bytes = text.utf8
        guard bytes.count <= NatsLimits.subjectBytesMax else {
            return "a subject has at most \(NatsLimits.subjectBytesMax) bytes"
        }
        var tokenBytes = 0
        var wildcard: UInt8?
        for byte in bytes {
            if byte == UInt8(ascii: ".") {
                if tokenBytes == 0 { return emptyToken }
                if let found = wildcard {
                    guard tokenBytes == 1, use == .pattern, found == UInt8(ascii: "*") else {
                        return misplacedWildcard
                    }
                }
                tokenBytes = 0
                wildcard = nil
                continue
            }
            if byte <= 0x20 || byte == 0x7f { return "a subject holds no blanks or controls" }
            if byte == UInt8(ascii: "*") || byte == UInt8(ascii: ">") { wildcard = byte }
            tokenBytes += 1
        }
        if tokenBytes == 0 { return emptyToken }
        if wildcard != nil, tokenBytes != 1 || use == .literal { return misplacedWildcard }
        return nil
    }

    /// Returns whether `text` may be one token: a stream or consumer name.
    static func isToken(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 255
            && text.utf8.allSatisfy {
                $0 > 0x20 && $0 < 0x7f
                    && ![0x2e, 0x2a, 0x3e, 0x2f, 0x5c].contains($0)
            }
    }

    private static let emptyToken = "a subject and each of its tokens is at least one character"
    private static let misplacedWildcard = "a wildcard stands where none may be"
}
