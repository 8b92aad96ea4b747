internal import Primitives

/// One stock. Prices are in units of 0.0001, sizes in millionths of a share.
package struct MassiveSymbol: Equatable, Sendable {
    package let name: String
    /// 1: listed at NYSE, 2: at NYSE Arca or American, 3: at Nasdaq.
    let tape: Int
    /// The middle of its prices.
    let level: Int64

    static let priceDecimals = 4
    static let sizeDecimals = 6
    static let share: Int64 = 1_000_000
    static let cent: Int64 = 100
    package static let stocks = ["AAPL", "MSFT", "NVDA", "SPY", "AMD", "KO"]

    /// Prices in cents.
    private static let levels: [String: (cents: Int64, tape: Int)] = [
        "AAPL": (21_000, 3), "MSFT": (42_000, 3), "NVDA": (13_000, 3), "SPY": (58_000, 2),
        "AMD": (14_000, 3), "KO": (6_200, 1),
    ]

    /// Returns `nil` for a name that is none: a letter, then letters, digits and dots. Small
    /// letters are for kinds of shares, as in `BACpA`.
    package init?(_ name: String) {
        let bytes = Array(name.utf8)
        guard (1...MassiveLimits.symbolBytesMax).contains(bytes.count),
            (0x41...0x5a).contains(bytes[0]), bytes.allSatisfy(Self.isPart)
        else { return nil }
        self.name = name
        let seed = bytes.reduce(UInt64(7)) { SeededRandom.mixed($0 ^ UInt64($1)) }
        let known = Self.levels[name] ?? (1_000 + Int64(seed % 50_000), 1 + Int(seed >> 32 % 3))
        tape = known.tape
        level = known.cents * Self.cent
    }

    private static func isPart(_ byte: UInt8) -> Bool {
        (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
            || (0x30...0x39).contains(byte) || byte == 0x2e
    }
}
