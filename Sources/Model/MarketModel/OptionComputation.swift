/// A number without a unit in 1e-9: volatilities and greeks.
@frozen
public struct Ratio: Hashable, Comparable, Sendable, BitwiseCopyable {
    public static let decimals = 9
    @inlinable public static var undefined: Ratio { Ratio(raw: Int64.max) }

    public var raw: Int64

    @inlinable public init(raw: Int64) { self.raw = raw }

    /// The nearest representable number. Returns `nil` for NaN and beyond ±9.2e9.
    public init?(_ value: Double) {
        guard let raw = Int64(exactly: (value * 1e9).rounded()), raw != Int64.max else {
            return nil
        }
        self.raw = raw
    }

    @inlinable public var isDefined: Bool { raw != Int64.max }

    @inlinable
    public static func < (left: Ratio, right: Ratio) -> Bool { left.raw < right.raw }
}

/// The price from which an option's numbers were computed.
public enum OptionComputationKind: UInt8, Sendable {
    case unknown = 0
    case bid = 1
    case ask = 2
    case last = 3
    case model = 4
    case custom = 5
}

public enum OptionComputationBasis: UInt8, Sendable {
    case unknown = 0
    case returns = 1
    case prices = 2
}

/// The provider's computations for an option. A number that it did not compute is undefined.
@frozen
public struct OptionComputation: Hashable, Sendable, BitwiseCopyable, HeadedRecord {
    public var header: TickHeader
    public var impliedVolatility: Ratio
    public var delta: Ratio
    public var gamma: Ratio
    public var vega: Ratio
    public var theta: Ratio
    public var optionPrice: Price
    public var dividends: Price
    public var underlyingPrice: Price
    /// A raw `OptionComputationKind`.
    public var kind: UInt8
    /// A raw `OptionComputationBasis`.
    public var basis: UInt8

    /// A computation in which every number is undefined.
    public init(
        header: TickHeader, kind: OptionComputationKind, basis: OptionComputationBasis = .unknown
    ) {
        self.header = header
        impliedVolatility = .undefined
        delta = .undefined
        gamma = .undefined
        vega = .undefined
        theta = .undefined
        optionPrice = .undefined
        dividends = .undefined
        underlyingPrice = .undefined
        self.kind = kind.rawValue
        self.basis = basis.rawValue
    }

    func list(into fields: inout [RecordField]) {
        fields.add("of", OptionComputationKind.self, kind)
        fields.add("implied_volatility", impliedVolatility)
        fields.add("delta", delta)
        fields.add("gamma", gamma)
        fields.add("vega", vega)
        fields.add("theta", theta)
        fields.add("price", optionPrice)
        fields.add("dividends", dividends)
        fields.add("underlying_price", underlyingPrice)
    }
}
