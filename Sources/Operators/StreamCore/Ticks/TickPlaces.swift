/// A subset of at most 64 ticks that go through stages together. A *place* is a tick's index in the
/// list of these ticks.
@frozen
public struct TickPlaces: Hashable, Sendable, BitwiseCopyable, Sequence {
    public static let ticksMax = 64

    /// One bit per place.
    public var bits: UInt64

    @inlinable @inline(__always)
    public init(bits: UInt64 = 0) { self.bits = bits }

    /// Contains the first `count` places.
    @inlinable
    public init(first count: Int) {
        bits = count >= Self.ticksMax ? UInt64.max : (1 << UInt64(count)) &- 1
    }

    @inlinable @inline(__always)
    public var isEmpty: Bool { bits == 0 }

    @inlinable @inline(__always)
    public func contains(_ place: Int) -> Bool { bits >> UInt64(place) & 1 != 0 }

    @inlinable @inline(__always)
    public mutating func insert(_ place: Int) { bits |= 1 << UInt64(place) }

    @inlinable @inline(__always)
    public func union(_ other: TickPlaces) -> TickPlaces { TickPlaces(bits: bits | other.bits) }

    @inlinable @inline(__always)
    public func subtracting(_ other: TickPlaces) -> TickPlaces {
        TickPlaces(bits: bits & ~other.bits)
    }

    /// Iterates over the places in ascending order.
    @inlinable @inline(__always)
    public func makeIterator() -> Iterator { Iterator(bits: bits) }

    @frozen
    public struct Iterator: IteratorProtocol {
        @usableFromInline var bits: UInt64

        @inlinable @inline(__always)
        init(bits: UInt64) { self.bits = bits }

        @inlinable @inline(__always)
        public mutating func next() -> Int? {
            guard bits != 0 else { return nil }
            defer { bits &= bits &- 1 }
            return bits.trailingZeroBitCount
        }
    }
}
