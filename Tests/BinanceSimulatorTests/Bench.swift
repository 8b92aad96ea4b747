import Primitives
import Testing

@testable import BinanceSimulator

/// A simulated exchange in memory with its clients.
struct Bench {
    var exchange: SimulatedExchange
    var now: Timestamp
    private var numbers = 0

    init(
        symbols: [String] = ["BTCUSDT", "ETHUSDT"], rate: Int = 200, seed: UInt64 = 1,
        _ change: (inout ExchangeSettings) -> Void = { _ in }
    ) {
        var settings = ExchangeSettings()
        settings.keepsTruth = true
        settings.keepsMarketLog = true
        change(&settings)
        now = Timestamp(nanoseconds: 1_700_000_000_000_000_000)
        exchange = SimulatedExchange(
            settings,
            market: ExchangeMarket(
                symbols: symbols.compactMap { ExchangeSymbol($0) }, seed: seed, rate: rate),
            start: now)
    }

    /// Connects and sends bytes. Returns the connection's number.
    mutating func connect(_ text: String = "") -> Int {
        numbers += 1
        let isOpen = exchange.opened(numbers, now: now)
        #expect(isOpen)
        if !text.isEmpty { exchange.received(Array(text.utf8), from: numbers, now: now) }
        return numbers
    }

    /// Connects a WebSocket and takes the answer to its upgrade.
    mutating func webSocket(_ path: String) -> Int {
        let number = connect(Self.upgrade(path))
        let answer = String(decoding: take(number), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 101 "), "\(answer)")
        return number
    }

    static func upgrade(_ path: String) -> String {
        "GET \(path) HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    }

    mutating func send(_ text: String, _ kind: UInt8 = 1, to number: Int) {
        exchange.received(Self.masked(Array(text.utf8), kind), from: number, now: now)
    }

    /// A client's frame.
    static func masked(_ payload: [UInt8], _ kind: UInt8 = 1) -> [UInt8] {
        let mask: [UInt8] = [1, 2, 3, 4]
        let length: [UInt8] =
            payload.count < 126
            ? [0x80 | UInt8(payload.count)]
            : [0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xff)]
        return [0x80 | kind] + length + mask + payload.enumerated().map { $1 ^ mask[$0 % 4] }
    }

    mutating func pass(milliseconds: Int64) {
        now = now.advanced(byNanoseconds: milliseconds * 1_000_000)
        exchange.advance(to: now)
    }

    /// Takes all bytes that are queued for a client.
    mutating func take(_ number: Int) -> [UInt8] {
        let count = exchange.allowance(of: number, now: now)
        let bytes = Array(exchange.bytes(for: number, count: count))
        exchange.sent(count, to: number, now: now)
        return bytes
    }

    /// Takes the frames that are queued for a client.
    mutating func frames(_ number: Int) -> [WebSocketFrame] { Self.frames(take(number)) }

    static func frames(_ bytes: [UInt8]) -> [WebSocketFrame] {
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

    mutating func texts(_ number: Int) -> [String] {
        frames(number).filter { $0.kind == .text }.map {
            String(decoding: $0.payload, as: UTF8.self)
        }
    }

    /// Returns the answer to a request of the REST API.
    mutating func get(_ path: String) throws -> (head: String, body: JSONValue) {
        let number = connect("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n")
        let bytes = take(number)
        exchange.closed(number)
        let text = String(decoding: bytes, as: UTF8.self)
        let end = try #require(text.firstRange(of: "\r\n\r\n"))
        let body = String(text[end.upperBound...])
        return (
            String(text[..<end.lowerBound]), body.isEmpty ? .null : try JSONValue.parse(body)
        )
    }

    /// Returns the ids of the trades in events of plain streams.
    static func ids(_ texts: [String]) throws -> [UInt64] {
        try texts.compactMap { try JSONValue.parse($0)["t"]?.uint64 }
    }
}
