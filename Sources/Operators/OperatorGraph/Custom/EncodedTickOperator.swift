public import MarketModel
public import StreamCore

/// An operator that takes ticks as bytes instead of records: for code that was made for them.
/// Slower than one that takes records, because every tick is written out for it.
public protocol EncodedTickOperator: Sendable {
    static var encoding: TickEncoding { get }

    init(settings: [GraphSetting]) throws(TickOperatorError)

    /// As that of a `TickOperator`.
    var warmUp: Int64 { get }

    /// `bytes` hold one tick, as `TickEncoding` says. True: it goes on.
    mutating func take(_ bytes: [UInt8], telling values: inout [OperatorValue]) -> Bool

    func encode(into bytes: inout [UInt8])
    mutating func restore(_ bytes: RawSpan) throws(CheckpointError)
}

extension EncodedTickOperator {
    public var warmUp: Int64 { 0 }
}

/// Makes a node of an operator that takes bytes.
public struct EncodedOperator<Wrapped: EncodedTickOperator>: TickOperator {
    private var wrapped: Wrapped
    private var encoder: TickEncoder

    public init(settings: [GraphSetting]) throws(TickOperatorError) {
        wrapped = try Wrapped(settings: settings)
        encoder = TickEncoder(Wrapped.encoding)
    }

    public var warmUp: Int64 { wrapped.warmUp }

    public mutating func take(
        _ tick: GraphTick, of symbol: Symbol, telling values: inout [OperatorValue]
    ) -> Bool {
        wrapped.take(encoder.encode(tick, symbol: symbol.text), telling: &values)
    }

    public func encode(into bytes: inout [UInt8]) { wrapped.encode(into: &bytes) }

    public mutating func restore(_ bytes: RawSpan) throws(CheckpointError) {
        try wrapped.restore(bytes)
    }
}
