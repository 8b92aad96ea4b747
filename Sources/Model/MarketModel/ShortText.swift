/// Up to eight ASCII characters in one machine word, for exchanges and sale conditions. It needs no
/// heap and no retain, and the wire carries the word unchanged.
@frozen
public struct ShortText: Hashable, Sendable, BitwiseCopyable {
    public static let utf8CountMax = 8
    @inlinable public static var empty: ShortText { ShortText(raw: 0) }

    /// The first character in the lowest byte; unused bytes are zero.
    public var raw: UInt64

    @inlinable @inline(__always)
    public init(raw: UInt64) { self.raw = raw }

    public init?(_ text: String) {
        guard text.utf8.count <= Self.utf8CountMax,
            text.utf8.allSatisfy({ (0x20...0x7e).contains($0) })
        else { return nil }
        raw = text.utf8.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The characters. A byte that is not printable ASCII becomes `?`, because the word may come
    /// from a damaged peer.
    public var text: String {
        unsafe String(unsafeUninitializedCapacity: Self.utf8CountMax) { characters in
            var rest = raw
            var count = 0
            while rest != 0 {
                let byte = UInt8(truncatingIfNeeded: rest)
                let printable = (0x20...0x7e).contains(byte)
                unsafe characters[count] = printable ? byte : UInt8(ascii: "?")
                rest >>= 8
                count += 1
            }
            return count
        }
    }
}
