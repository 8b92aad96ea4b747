/// A request of HTTP/1.1 without a body.
package struct VenueRequest: Equatable, Sendable {
    package let method: String
    /// Without the query.
    package let path: String
    package let query: [String: String]
    /// By names in small letters.
    package let headers: [String: String]

    package init(
        method: String, path: String, query: [String: String], headers: [String: String]
    ) {
        (self.method, self.path) = (method, path)
        (self.query, self.headers) = (query, headers)
    }

    package enum Reading: Equatable, Sendable {
        case request(VenueRequest, bytes: Int)
        case incomplete
        case malformed
    }

    /// Reads the first request of the bytes.
    package static func read(_ bytes: [UInt8]) -> Reading {
        let isTooLong = bytes.count > WebLimits.requestBytesMax
        guard let end = Self.end(of: bytes) else { return isTooLong ? .malformed : .incomplete }
        guard end <= WebLimits.requestBytesMax else { return .malformed }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count == 3, words[2].hasPrefix("HTTP/1.") else { return .malformed }
        let parts = words[1].split(
            separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { return .malformed }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            headers[line[..<colon].lowercased()] = String(value)
        }
        // No venue here is asked anything with a body.
        guard headers["content-length"].map({ $0 == "0" }) ?? true,
            headers["transfer-encoding"] == nil
        else { return .malformed }
        let request = VenueRequest(
            method: String(words[0]), path: decoded(parts[0]),
            query: parts.count > 1 ? Self.query(parts[1]) : [:], headers: headers)
        return .request(request, bytes: end + 4)
    }

    /// Returns where the empty line after the head begins.
    private static func end(of bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        let mark: [UInt8] = [13, 10, 13, 10]
        return (0...bytes.count - 4).first { bytes[$0..<$0 + 4].elementsEqual(mark) }
    }

    private static func query(_ text: Substring) -> [String: String] {
        var query: [String: String] = [:]
        for pair in text.split(separator: "&") {
            let parts = pair.split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            query[decoded(parts[0])] = parts.count > 1 ? decoded(parts[1]) : ""
        }
        return query
    }

    /// Decodes the percent signs of an address.
    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2)
            if byte == UInt8(ascii: "%"), digits.count == 2,
                let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            {
                bytes.append(code)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// It asks for a WebSocket.
    package var wantsWebSocket: Bool {
        method == "GET" && headers["upgrade"]?.lowercased() == "websocket"
            && headers["connection"]?.lowercased().contains("upgrade") == true
    }
    /// The connection ends with its answer.
    package var closesAfterwards: Bool { headers["connection"]?.lowercased() == "close" }
}
