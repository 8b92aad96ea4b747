package import Primitives
package import VenueWeb

/// A simulated venue in memory with its clients.
package struct VenueBench<Site: WebSite> {
    package var venue: WebVenue<Site>
    package var now: Timestamp
    private var numbers = 0

    package struct Refused: Error, CustomStringConvertible {
        package let description: String
    }

    /// A time of 2023, at which a bench begins.
    package static var start: Timestamp { Timestamp(nanoseconds: 1_700_000_000_000_000_000) }

    package init(_ site: Site) {
        now = Self.start
        venue = WebVenue(site, start: now)
    }

    /// Connects and sends bytes. Returns the connection's number.
    package mutating func connect(_ text: String = "") -> Int {
        numbers += 1
        precondition(venue.opened(numbers, now: now), "a test has too many connections")
        if !text.isEmpty { venue.received(Array(text.utf8), from: numbers, now: now) }
        return numbers
    }

    /// Connects a WebSocket and takes the answer to its upgrade, but no message after it.
    package mutating func webSocket(
        _ path: String, headers: [String: String] = [:]
    ) throws -> Int {
        let number = connect(ClientBytes.upgrade(path, headers: headers))
        let count = venue.allowance(of: number, now: now)
        let bytes = Array(venue.bytes(for: number, count: count))
        let answer = String(decoding: bytes, as: UTF8.self)
        guard answer.hasPrefix("HTTP/1.1 101 "), let end = Self.headEnd(bytes) else {
            throw Refused(description: answer)
        }
        venue.sent(end, to: number, now: now)
        return number
    }

    private static func headEnd(_ bytes: [UInt8]) -> Int? {
        let mark: [UInt8] = [13, 10, 13, 10]
        return bytes.indices.dropLast(3).first { bytes[$0..<$0 + 4].elementsEqual(mark) }
            .map { $0 + 4 }
    }

    /// Sends a frame: a text, or of another kind.
    package mutating func send(_ text: String, _ kind: UInt8 = 1, to number: Int) {
        send(Array(text.utf8), kind, to: number)
    }

    package mutating func send(_ payload: [UInt8], _ kind: UInt8, to number: Int) {
        venue.received(ClientBytes.masked(payload, kind), from: number, now: now)
    }

    package mutating func pass(milliseconds: Int64) {
        now = now.advanced(byNanoseconds: milliseconds * 1_000_000)
        venue.advance(to: now)
    }

    /// Takes all bytes that are queued for a client.
    package mutating func take(_ number: Int) -> [UInt8] {
        let count = venue.allowance(of: number, now: now)
        let bytes = Array(venue.bytes(for: number, count: count))
        venue.sent(count, to: number, now: now)
        return bytes
    }

    /// Takes the frames that are queued for a client.
    package mutating func frames(_ number: Int) -> [WebSocketFrame] {
        ClientBytes.frames(take(number))
    }

    package mutating func texts(_ number: Int) -> [String] {
        frames(number).filter { $0.kind == .text }.map {
            String(decoding: $0.payload, as: UTF8.self)
        }
    }

    /// Takes the messages of the arrays that are queued for a client.
    package mutating func messages(_ number: Int) throws -> [JSONValue] {
        try texts(number).flatMap { try JSONValue.parse($0).array ?? [] }
    }

    /// Sends a request and returns the text of its answer.
    package mutating func ask(_ request: String, of number: Int) -> String {
        send(request, to: number)
        return texts(number).last ?? ""
    }

    /// Returns the lines of a log.
    package static func lines(_ bytes: [UInt8]) throws -> [JSONValue] {
        try bytes.split(separator: UInt8(ascii: "\n")).map { try JSONValue.parse(Array($0)) }
    }

    /// Returns the answer to a request.
    package mutating func get(
        _ path: String, headers: [String: String] = [:]
    ) throws -> (head: String, body: JSONValue) {
        let answer = try text(path, headers: headers)
        return (answer.head, answer.body.isEmpty ? .null : try JSONValue.parse(answer.body))
    }

    /// Returns the answer to a request whose body need not be JSON. It has a user agent, and the
    /// given headers but those without a value.
    package mutating func text(
        _ path: String, headers: [String: String] = [:]
    ) throws -> (head: String, body: String) {
        let lines = ["user-agent": "bench"].merging(headers) { $1 }.filter { !$0.value.isEmpty }
            .sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)\r\n" }
        let number = connect("GET \(path) HTTP/1.1\r\nHost: x\r\n\(lines.joined())\r\n")
        let bytes = take(number)
        venue.closed(number)
        guard let end = Self.headEnd(bytes) else {
            throw Refused(description: "no answer to \(path)")
        }
        return (
            String(decoding: bytes[..<(end - 4)], as: UTF8.self),
            String(decoding: bytes[end...], as: UTF8.self)
        )
    }
}

/// The bytes of a WebSocket's client, and what it reads.
package enum ClientBytes {
    package static func upgrade(_ path: String, headers: [String: String] = [:]) -> String {
        let lines = headers.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)\r\n" }
        return "GET \(path) HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            + lines.joined() + "\r\n"
    }

    /// A client's frame.
    package static func masked(_ payload: [UInt8], _ kind: UInt8 = 1) -> [UInt8] {
        let mask: [UInt8] = [1, 2, 3, 4]
        let length: [UInt8] =
            payload.count < 126
            ? [0x80 | UInt8(payload.count)]
            : [0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xff)]
        return [0x80 | kind] + length + mask + payload.enumerated().map { $1 ^ mask[$0 % 4] }
    }

    /// Returns the whole frames of a server.
    package static func frames(_ bytes: [UInt8]) -> [WebSocketFrame] {
        var frames: [WebSocketFrame] = []
        var rest = bytes[...]
        while rest.count >= 2 {
            let start = rest.startIndex
            var length = Int(rest[start + 1])
            var head = 2
            if length == 126 {
                length = Int(rest[start + 2]) << 8 | Int(rest[start + 3])
                head = 4
            } else if length == 127 {
                length = rest[start + 2..<start + 10].reduce(0) { $0 << 8 | Int($1) }
                head = 10
            }
            guard let kind = WebSocketFrame.Kind(rawValue: rest[start] & 0x0f),
                rest.count >= head + length
            else { break }
            frames.append(
                WebSocketFrame(
                    kind: kind, payload: Array(rest[start + head..<start + head + length])))
            rest = rest.dropFirst(head + length)
        }
        return frames
    }
}
