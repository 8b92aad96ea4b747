public import Primitives

/// The round lot of a symbol: a trade of fewer shares is an odd lot. It changes at a date that is
/// known before, so it holds both lots, and a definition with it is complete by itself.
public struct RoundLot: Hashable, Sendable, BitwiseCopyable {
    /// The lot of a symbol for which none is stated.
    public static var usual: Quantity { Quantity(raw: 10_000_000_000) }

    /// The lot from `from` on, and the one before.
    public let size: Quantity
    public let before: Quantity
    /// When `size` becomes valid; undefined: it always was.
    public let from: Timestamp

    /// Returns `nil` unless both lots are numbers above 0.
    public init?(_ size: Quantity, from: Timestamp = .undefined, before: Quantity = Self.usual) {
        guard size.isDefined, size.raw > 0, before.isDefined, before.raw > 0 else { return nil }
        self.size = size
        self.from = from
        self.before = before
    }

    /// Returns the lot of a trade of this time.
    public func size(at time: Timestamp) -> Quantity {
        from.isDefined && time < from ? before : size
    }
}
