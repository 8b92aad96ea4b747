public import MarketModel

/// A set of the parts of a bar that a trade may change.
public struct TradeEffect: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8

    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Open and close.
    @inlinable public static var last: TradeEffect { TradeEffect(rawValue: 1 << 0) }
    /// High and low.
    @inlinable public static var range: TradeEffect { TradeEffect(rawValue: 1 << 1) }
    /// Volume and VWAP.
    @inlinable public static var volume: TradeEffect { TradeEffect(rawValue: 1 << 2) }
    @inlinable public static var all: TradeEffect { TradeEffect(rawValue: 7) }
}

/// A table of the effects of sale conditions. `Trade.conditions` holds one character per condition.
/// A trade with several conditions changes what all of them allow. A condition that is not in the
/// table allows everything.
public struct ConditionRules: Hashable, Sendable {
    public let name: String
    /// The effect of each ASCII character.
    private let effects: [TradeEffect]

    /// Returns `nil` when a code is not one printable ASCII character.
    public init?(name: String, _ rules: [(code: String, effect: TradeEffect)]) {
        var effects = [TradeEffect](repeating: .all, count: 128)
        for rule in rules {
            guard rule.code.utf8.count == 1, let code = rule.code.utf8.first,
                (0x20...0x7e).contains(code)
            else { return nil }
            effects[Int(code)] = rule.effect
        }
        self.name = name
        self.effects = effects
    }

    /// Returns the parts of a bar that a trade with these conditions may change.
    public func effect(of conditions: ShortText) -> TradeEffect {
        var effect = TradeEffect.all
        var rest = conditions.raw
        while rest != 0 {
            let code = Int(rest & 0xff)
            // A code beyond ASCII is in no table and comes from a damaged peer. It is ignored.
            if code < effects.count { effect.formIntersection(effects[code]) }
            rest >>= 8
        }
        return effect
    }

    /// The codes that do not allow everything, in order: for the definition's hash and for people.
    public var listed: [(code: Character, effect: TradeEffect)] {
        effects.indices.filter { effects[$0] != .all }.map {
            (Character(Unicode.Scalar(UInt8($0))), effects[$0])
        }
    }
}
