internal import Primitives

/// The name of an instrument, as its provider writes it: `AAPL`, `BRK.B`, `BTC/USD`, `^GSPC`.
///
/// Any text without control characters, of at most `utf8CountMax` bytes. Subjects, keys and SQL
/// escape it where they use it; the symbol itself is never changed.
public struct Symbol: Hashable, Sendable, CustomStringConvertible {
    public static let utf8CountMax = 512

    public let text: String

    public init?(_ text: String) {
        // Nearly all symbols are ASCII. Asking for a scalar's category would take longer than all
        // the rest.
        guard (1...Self.utf8CountMax).contains(text.utf8.count),
            text.utf8.allSatisfy({ (0x20...0x7e).contains($0) })
                || text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
        else { return nil }
        self.text = text
    }

    /// Compares bytes, as the tape, its partitions and the tables do. `String` treats "é" in one
    /// scalar and in two as equal, and one name would then be in two partitions.
    public static func == (left: Symbol, right: Symbol) -> Bool {
        left.text.utf8.elementsEqual(right.text.utf8)
    }

    public var description: String { text }
}

/// The part of the tape to which a symbol belongs, for ever: `murmur3(symbol) mod count`.
public struct Partition: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let number: Int

    public init(_ number: Int) { self.number = number }

    public init(of symbol: Symbol, count: Int) {
        precondition(Self.countRange.contains(count), "\(count) partitions are out of range")
        number = Int(Murmur3.hash32(symbol.text)) % count
    }

    /// The allowed numbers of partitions. The wire carries partitions in 16 bits; a larger number
    /// has no benefit.
    public static let countRange = 1...4_096

    public static func < (left: Partition, right: Partition) -> Bool { left.number < right.number }

    public var description: String { String(number) }
}
