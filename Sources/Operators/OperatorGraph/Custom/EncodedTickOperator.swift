package import StreamCore

/// An operator that takes ticks as JSON instead of records, for existing code that expects text.
/// It is slower than one that takes records, because every tick is encoded for it.
package protocol EncodedTickOperator: Sendable {
    init(settings: [GraphSetting]) throws(TickOperatorError)

    /// As in `TickOperator`.
    var warmUp: Int64 { get }

    /// Takes one tick as `TickEncoder` writes it. Returns whether the tick passes.
    mutating func take(_ bytes: [UInt8], publishing values: inout [OperatorValue]) -> Bool

    func encode(into bytes: inout [UInt8])
    mutating func restore(_ bytes: RawSpan) throws(CheckpointError)
}

extension EncodedTickOperator {
    package var warmUp: Int64 { 0 }
}

/// Turns an operator that takes bytes into a node.
package struct EncodedOperator<Wrapped: EncodedTickOperator>: TickOperator {
    private var wrapped: Wrapped
    private var encoder = TickEncoder()

    package init(settings: [GraphSetting]) throws(TickOperatorError) {
        wrapped = try Wrapped(settings: settings)
    }

    package var warmUp: Int64 { wrapped.warmUp }

    package mutating func take(
        _ tick: GraphTick, of symbol: SourceSymbol, publishing values: inout [OperatorValue]
    ) -> Bool {
        wrapped.take(encoder.encode(tick, of: symbol), publishing: &values)
    }

    package func encode(into bytes: inout [UInt8]) { wrapped.encode(into: &bytes) }

    package mutating func restore(_ bytes: RawSpan) throws(CheckpointError) {
        try wrapped.restore(bytes)
    }
}
