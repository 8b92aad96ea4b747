/// One line of the NATS protocol, with the payload that it announces.
struct ProtocolMessage {
    /// "MSG", "HPUB", "PING", …
    let verb: String
    /// The words after the verb.
    let words: [String]
    /// The unchanged bytes.
    let bytes: [UInt8]

    /// The reply subject. `nil` if no answer is requested.
    var reply: String? {
        // Before the numbers at the end come the subject, a subscription's number, and a reply
        // subject.
        switch verb {
        case "PUB": words.count == 3 ? words[1] : nil
        case "HPUB": words.count == 4 ? words[1] : nil
        case "MSG": words.count == 4 ? words[2] : nil
        case "HMSG": words.count == 5 ? words[2] : nil
        default: nil
        }
    }

    static let withPayload: Set<String> = ["PUB", "HPUB", "MSG", "HMSG"]
}

/// Splits the bytes of one direction of a link into complete messages.
struct ProtocolParser {
    private var bytes: [UInt8] = []
    private var start = 0

    mutating func add(_ more: ArraySlice<UInt8>) {
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: true)
            start = 0
        } else if start > 1_048_576 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes += more
    }

    /// Returns the next message. `nil` if it is not complete yet.
    mutating func next() -> ProtocolMessage? {
        guard let newline = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let line = String(decoding: bytes[start..<newline], as: UTF8.self)
        let words = line.split { $0.isWhitespace }.map(String.init)
        let verb = words.first?.uppercased() ?? ""
        var end = newline + 1
        if ProtocolMessage.withPayload.contains(verb), let count = words.last.flatMap({ Int($0) }) {
            end += count + 2
        }
        guard end <= bytes.count else { return nil }
        defer { start = end }
        return ProtocolMessage(
            verb: verb, words: Array(words.dropFirst()), bytes: Array(bytes[start..<end]))
    }
}
