/// The name of a source of ticks: the last token of its tape subjects, 24 bytes on the wire.
///
/// It is stored as those bytes, because every packet carries one. A header without references is
/// read, copied and compared without the heap.
@frozen
public struct SourceName: Hashable, Sendable, BitwiseCopyable {
    public static let utf8CountMax = 24

    /// The source of everything on `md.bars.*`: the operators of single partitions.
    public static let `operator` = SourceName(checked: "operator")
    /// The source of what is derived over all partitions. Its packets are published beside the bars
    /// of partition 0, with separate ordinals.
    public static let universe = SourceName(checked: "universe")
    /// The source of what a person puts on the tape. Its ticks are marked as backfilled, and it has
    /// no watermark.
    public static let manual = SourceName(checked: "manual")

    /// The name under which a reader of all partitions' bars tracks its position in one partition:
    /// ordinals of bars are dense per partition. No packet carries it.
    public static func `operator`(of partition: Partition) -> SourceName {
        SourceName(checked: "operator-\(partition.number)")
    }

    /// The partition that is encoded in such a name; `nil` for every other name.
    public var partitionOfBars: Partition? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "operator", let number = Int(parts[1]),
            number >= 0, number < Partition.countRange.upperBound, String(number) == parts[1]
        else { return nil }
        return Partition(number)
    }

    /// The end of the name of a source of delayed data.
    public static let delayedSuffix = "-delayed"

    /// Whether it is the source of the delayed data of another one: a gateway opens it beside its
    /// own source. No setting may give a source such a name.
    public var isDelayed: Bool {
        // The last eight characters, the first of them in the highest byte.
        var end: UInt64 = 0
        for word in [words.first, words.second, words.third] {
            var rest = word
            while rest != 0 {
                end = end << 8 | rest & 0xff
                rest >>= 8
            }
        }
        return end == Self.delayedEnd
    }

    /// `delayedSuffix` in this order.
    private static let delayedEnd: UInt64 = 0x2d64_656c_6179_6564

    /// The end of the name of a source that a provider's past is loaded into. A further one of the
    /// same provider has a number behind it: `binance-history-2`.
    public static let historySuffix = "-history"

    /// Whether a provider's past is loaded into it.
    public var isHistory: Bool {
        var stem = text[...]
        let digits = stem.reversed().prefix { $0.isNumber }.count
        if digits > 0 {
            stem = stem.dropLast(digits)
            guard stem.last == "-" else { return false }
            stem = stem.dropLast()
        }
        return stem.count > Self.historySuffix.count && stem.hasSuffix(Self.historySuffix)
    }

    /// The source of the delayed data of this one; `nil` when its name would be too long.
    public var delayed: SourceName? { SourceName(text + Self.delayedSuffix) }

    /// The bytes in order, little endian, padded with zeros.
    public let words: Words

    @frozen
    public struct Words: Hashable, Sendable, BitwiseCopyable {
        public var first: UInt64
        public var second: UInt64
        public var third: UInt64

        @inlinable @inline(__always)
        public init(_ first: UInt64, _ second: UInt64, _ third: UInt64) {
            self.first = first
            self.second = second
            self.third = third
        }
    }

    /// Accepts `[a-z0-9-]`, 1 to 24 characters.
    public init?(_ text: String) {
        guard (1...Self.utf8CountMax).contains(text.utf8.count), !text.utf8.contains(0) else {
            return nil
        }
        self.init(words: Self.words(of: text))
    }

    /// Reads a name from the wire. Returns `nil` when the bytes are not those of a name.
    public init?(words: Words) {
        guard words.first & 0xff != 0, Self.isWell(words.first, before: words.second),
            Self.isWell(words.second, before: words.third), Self.isWell(words.third, before: 0)
        else { return nil }
        self.words = words
    }

    private init(checked text: String) { words = Self.words(of: text) }

    private static func words(of text: String) -> Words {
        var words = Words(0, 0, 0)
        for (index, byte) in text.utf8.enumerated() {
            let shifted = UInt64(byte) << UInt64(index % 8 * 8)
            switch index / 8 {
            case 0: words.first |= shifted
            case 1: words.second |= shifted
            default: words.third |= shifted
            }
        }
        return words
    }

    /// Checks that a word holds the characters of a name, then zeros, and that after a zero the
    /// next word holds zeros alone.
    @inline(__always)
    private static func isWell(_ word: UInt64, before next: UInt64) -> Bool {
        var rest = word
        var isShort = false
        for _ in 0..<8 {
            let byte = UInt8(truncatingIfNeeded: rest)
            if byte == 0 {
                isShort = true
                break
            }
            guard
                (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2d
            else { return false }
            rest >>= 8
        }
        return !isShort || (rest == 0 && next == 0)
    }

    public var text: String {
        var characters = ""
        for word in [words.first, words.second, words.third] {
            var rest = word
            while rest != 0 {
                characters.unicodeScalars.append(
                    Unicode.Scalar(UInt8(truncatingIfNeeded: rest)))
                rest >>= 8
            }
        }
        return characters
    }
}

extension SourceName: Comparable, CustomStringConvertible {
    /// Orders names as their texts.
    public static func < (left: SourceName, right: SourceName) -> Bool {
        (left.words.first.byteSwapped, left.words.second.byteSwapped, left.words.third.byteSwapped)
            < (
                right.words.first.byteSwapped, right.words.second.byteSwapped,
                right.words.third.byteSwapped
            )
    }

    public var description: String { text }
}

/// The name of a bar series: `1s`, `1m`, or that of a node of the operator graph.
public struct SeriesName: Hashable, Comparable, Sendable, CustomStringConvertible {
    public static let utf8CountMax = 32

    public let text: String

    /// Accepts `[A-Za-z0-9_-]`, 1 to 32 characters.
    public init?(_ text: String) {
        guard (1...Self.utf8CountMax).contains(text.utf8.count),
            text.utf8.allSatisfy({
                (0x61...0x7a).contains($0 | 0x20) || (0x30...0x39).contains($0)
                    || $0 == 0x2d || $0 == 0x5f
            })
        else { return nil }
        self.text = text
    }

    public static func < (left: SeriesName, right: SeriesName) -> Bool { left.text < right.text }

    public var description: String { text }
}
