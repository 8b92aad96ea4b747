import Primitives

@testable import IBSimulator

/// A simulator without sockets, and one client.
struct Bench {
    /// 2026-01-05 14:30:00 UTC.
    static let start = Timestamp(nanoseconds: 1_767_623_400_000_000_000)

    var simulator: Simulator
    var now = Bench.start
    let connection: Int
    private var rest: [UInt8] = []

    init(
        settings: SimulatorSettings = SimulatorSettings(), rate: Int = 100, seed: UInt64 = 7,
        symbols: [String] = ["SPY", "QQQ"], client: Int? = 10, version: String = "v100..187"
    ) {
        let market = SimulatedMarket(
            instruments: InstrumentList.make(symbols: symbols), seed: seed, rate: rate,
            firstSecond: Bench.start.nanoseconds / 1_000_000_000 - 86_400)
        simulator = Simulator(settings, market: market, start: Bench.start)
        connection = 1
        _ = simulator.opened(connection, now: now)
        simulator.received(Bench.greeting(version), from: connection, now: now)
        if let client { send(["71", "2", String(client), ""]) }
    }

    static func greeting(_ versions: String) -> [UInt8] {
        Array("API\0".utf8) + [0, 0, 0, UInt8(versions.utf8.count)] + Array(versions.utf8)
    }

    static func frame(_ fields: [String]) -> [UInt8] {
        let body: [UInt8] = fields.flatMap { Array($0.utf8) + [UInt8(0)] }
        let length = UInt32(body.count)
        let head: [UInt8] = (0..<4).map { place in
            UInt8(truncatingIfNeeded: length >> (24 - 8 * UInt32(place)))
        }
        return head + body
    }

    static func stock(_ symbol: String) -> [String] {
        ["0", symbol, "STK", "", "", "", "", "SMART", "", "USD", "", ""]
    }

    mutating func send(_ fields: [String]) {
        simulator.received(Bench.frame(fields), from: connection, now: now)
    }

    mutating func subscribe(_ id: Int, _ symbol: String, generic: String = "") {
        send(["1", "11", String(id)] + Bench.stock(symbol) + ["0", generic, "0", "0", ""])
    }

    mutating func askTicks(_ id: Int, _ symbol: String, kind: String) {
        send(["97", String(id)] + Bench.stock(symbol) + [kind, "0", "0"])
    }

    mutating func wait(seconds: Double) {
        now = now.advanced(byNanoseconds: Int64(seconds * 1_000_000_000))
        simulator.advance(to: now)
    }

    /// Returns the bytes that may be sent now.
    mutating func bytes() -> [UInt8] {
        var all: [UInt8] = []
        while true {
            let count = simulator.allowance(of: connection, now: now)
            guard count > 0 else { return all }
            all += simulator.bytes(for: connection, count: count)
            simulator.sent(count, to: connection, now: now)
        }
    }

    /// Returns the complete frames among them, as fields. An incomplete rest is kept for the next
    /// call.
    mutating func frames() -> [[String]] {
        rest += bytes()
        var frames: [[String]] = []
        var place = 0
        while rest.count - place >= 4 {
            let length = rest[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
            guard rest.count - place - 4 >= length else { break }
            let body = rest[place + 4..<place + 4 + length].dropLast()
            frames.append(
                body.split(separator: 0, omittingEmptySubsequences: false).map {
                    String(decoding: $0, as: UTF8.self)
                })
            place += 4 + length
        }
        rest.removeFirst(place)
        return frames
    }

    /// Returns the codes of the errors and notices among them.
    mutating func codes() -> [String] { frames().filter { $0[0] == "4" }.map { $0[3] } }

    var isOver: Bool { simulator.isOver(connection) }

    mutating func order(_ line: String) -> String { simulator.control(line, now: now) }
}
