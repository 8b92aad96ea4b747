import Primitives

/// The requests of a benchmark to the broker, by the numbers of its requests.
struct Feeds: Sendable {
    static let level1 = 80
    /// The number of instruments whose trades and quotes come tick by tick.
    static let tickByTick = 20
    static var requests: Int { level1 + 2 * tickByTick }

    var level1: [Int32] = []
    var trades: [Int32] = []
    var quotes: [Int32] = []

    var isComplete: Bool { level1.count + trades.count + quotes.count == Self.requests }

    /// The file with the gateway's instruments.
    static var file: String {
        var lines = [
            "version: 1",
            "defaults: {security: stock, exchange: SMART, currency: USD, feeds: quotes}",
            "instruments:",
        ]
        for number in 0..<level1 { lines.append("  - SIM\(number)") }
        for number in level1..<level1 + tickByTick {
            lines.append("  - {symbol: SIM\(number), feeds: [all-trades, bid-ask]}")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// The bytes of a run, made in advance, so that sending them costs one write per millisecond.
///
/// Every tick has a number, which is its size, so that it can be recognised on the tape. Half of
/// the broker's ticks are level 1, in the forms that TWS sends: a price with its size and then the
/// size again, or only a size, or a trade in five messages of which one becomes a tick. The
/// exchange sends a trade in each message.
struct TickScript: Sendable {
    struct Part: Sendable {
        /// The offset after its bytes, and the number after its ticks.
        let bytesEnd: Int
        let ticksEnd: Int
    }

    /// Sizes of at least this are numbers of ticks.
    static let base: Int64 = 1_000_000
    static let partNanoseconds: Int64 = 1_000_000

    /// Sent first. The initial values of every subscription are not ticks of the script.
    private(set) var opening: [UInt8] = []
    private(set) var bytes: [UInt8] = []
    private(set) var parts: [Part] = []
    private(set) var messages = 0

    var ticks: Int { parts.last?.ticksEnd ?? 0 }

    /// `start` is about the time at which the first part is sent. Ticks are stamped with it.
    init(_ asked: Asked, ticksPerSecond: Int, seconds: Double, start: Timestamp) {
        var random = SeededRandom(seed: 42)
        if case .broker(let feeds) = asked {
            for request in feeds.level1 {
                message(["1", "6", "\(request)", "4", "100.00", "1", "0"])
            }
            swap(&opening, &bytes)
            messages = 0
        }
        let parts = Int(seconds * 1e9) / Int(Self.partNanoseconds)
        bytes.reserveCapacity(Int(Double(ticksPerSecond) * seconds) * 80)
        var tick = 0
        for part in 0..<parts {
            let milliseconds = start.nanoseconds / 1_000_000 + Int64(part)
            let end = ticksPerSecond * (part + 1) / 1_000
            while tick < end {
                let size = Self.base + Int64(tick)
                switch asked {
                case .broker(let feeds): add(size, feeds, at: milliseconds, &random)
                case .exchange(let symbols): add(size, symbols, at: milliseconds, &random)
                }
                tick += 1
            }
            self.parts.append(Part(bytesEnd: bytes.count, ticksEnd: tick))
        }
    }

    /// Adds a trade of the exchange, in a frame of its own. All symbols take turns, so the ids of
    /// each follow each other.
    private mutating func add(
        _ size: Int64, _ symbols: [String], at milliseconds: Int64, _ random: inout SeededRandom
    ) {
        let tick = Int(size - Self.base)
        let name = symbols[tick % symbols.count]
        let cents = 10 + random.next() % 90
        let text =
            "{\"stream\":\"\(name.lowercased())@trade\",\"data\":{\"e\":\"trade\","
            + "\"E\":\(milliseconds),\"s\":\"\(name)\",\"t\":\(1_000 + tick / symbols.count),"
            + "\"p\":\"150.\(cents)000000\",\"q\":\"\(size).00000000\",\"T\":\(milliseconds),"
            + "\"m\":true,\"M\":true}}"
        let count = text.utf8.count
        // Each of these messages is longer than 125 bytes and shorter than 64 KiB.
        bytes += [0x81, 126, UInt8(count >> 8), UInt8(count & 0xff)]
        bytes += text.utf8
        messages += 1
    }

    private mutating func add(
        _ size: Int64, _ feeds: Feeds, at milliseconds: Int64, _ random: inout SeededRandom
    ) {
        let bits = random.next()
        let cents = bits >> 40 % 100
        let price = "1\(50 + bits >> 32 % 8).\(cents < 10 ? "0" : "")\(cents)"
        func one(_ requests: [Int32]) -> String {
            "\(requests[Int(bits >> 8 & 0xffff) % requests.count])"
        }
        switch bits % 8 {
        case 0, 1:
            let (request, isBid) = (one(feeds.level1), bits >> 48 & 1 == 0)
            message(["1", "6", request, isBid ? "1" : "2", price, "\(size)", "1"])
            message(["2", "6", request, isBid ? "0" : "3", "\(size)"])
        case 2:
            let side = bits >> 48 & 1 == 0 ? "0" : "3"
            message(["2", "6", one(feeds.level1), side, "\(size)"])
        case 3:
            let request = one(feeds.level1)
            let line = "\(price);\(size);\(milliseconds);\(size);\(price)1234;false"
            message(["46", "6", request, "48", line])
            // Without it, a trade waits until it counts as unreported.
            message(["46", "6", request, "77", line])
            message(["46", "6", request, "45", "\(milliseconds / 1_000)"])
            message(["1", "6", request, "4", price, "\(size)", "0"])
            message(["2", "6", request, "5", "\(size)"])
        case 4, 5:
            let second = "\(milliseconds / 1_000)"
            message(
                ["99", one(feeds.trades), "2", second, price, "\(size)", "0", "ISLAND", "TI"])
        default:
            let second = "\(milliseconds / 1_000)"
            message(
                ["99", one(feeds.quotes), "3", second, price, price, "100", "\(size)", "0"])
        }
    }

    private mutating func message(_ fields: [String]) {
        let start = bytes.count
        bytes += [0, 0, 0, 0]
        for field in fields {
            bytes += field.utf8
            bytes.append(0)
        }
        // Each of these messages is short enough that one byte holds its length.
        bytes[start + 3] = UInt8(bytes.count - start - 4)
        messages += 1
    }
}
