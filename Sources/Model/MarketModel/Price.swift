public import Primitives

/// A price in units of 1e-9. May be zero or negative (spreads, oil in April 2020).
@frozen
public struct Price: Hashable, Comparable, Sendable, BitwiseCopyable {
    public static let decimals = 9
    @inlinable public static var undefined: Price { Price(raw: Int64.max) }

    public var raw: Int64

    @inlinable @inline(__always)
    public init(raw: Int64) { self.raw = raw }

    @inlinable @inline(__always)
    public var isDefined: Bool { raw != Int64.max }

    @inlinable @inline(__always)
    public static func < (left: Price, right: Price) -> Bool { left.raw < right.raw }
}

/// A number of shares, contracts or coins in units of 1e-8.
@frozen
public struct Quantity: Hashable, Comparable, Sendable, BitwiseCopyable {
    public static let decimals = 8
    @inlinable public static var undefined: Quantity { Quantity(raw: Int64.max) }

    public var raw: Int64

    @inlinable @inline(__always)
    public init(raw: Int64) { self.raw = raw }

    @inlinable @inline(__always)
    public var isDefined: Bool { raw != Int64.max }

    @inlinable @inline(__always)
    public static func < (left: Quantity, right: Quantity) -> Bool { left.raw < right.raw }
}

extension Price: CustomStringConvertible {
    public init(_ text: String) throws(FixedPoint.ParseError) {
        raw = try FixedPoint.parse(text, decimals: Self.decimals)
    }

    public var description: String {
        isDefined ? FixedPoint.text(raw, decimals: Self.decimals) : "undefined"
    }
}

extension Quantity: CustomStringConvertible {
    public init(_ text: String) throws(FixedPoint.ParseError) {
        raw = try FixedPoint.parse(text, decimals: Self.decimals)
    }

    public var description: String {
        isDefined ? FixedPoint.text(raw, decimals: Self.decimals) : "undefined"
    }
}
