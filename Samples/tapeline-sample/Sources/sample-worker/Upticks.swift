internal import MarketModel
internal import OperatorGraph
internal import Primitives
internal import StreamCore

/// Passes a trade if its price is above that of the symbol's trade before it, and publishes the
/// difference as the value `rise`.
struct Upticks: TickOperator {
    static let name = "upticks"

    /// How much more of the tape a repair reads, in nanoseconds. A symbol should have traded within
    /// it.
    let warmUp: Int64 = 60_000_000_000
    /// The price of each symbol's last trade, by interned symbol; undefined before the first trade.
    private var last: [Price] = []

    init(settings: [GraphSetting]) throws(TickOperatorError) {
        guard let setting = settings.first else { return }
        throw TickOperatorError("\(Self.name) has no setting \(setting.name)")
    }

    mutating func take(
        _ tick: GraphTick, of symbol: SourceSymbol, publishing values: inout [OperatorValue]
    ) -> Bool {
        guard case .trade(let trade) = tick, trade.price.isDefined else { return true }
        let index = Int(trade.header.symbol)
        while last.count <= index { last.append(.undefined) }
        let before = last[index]
        last[index] = trade.price
        guard before.isDefined, trade.price > before else { return false }
        values.append(
            OperatorValue(name: "rise", value: Int128(trade.price.raw) - Int128(before.raw)))
        return true
    }

    func encode(into bytes: inout [UInt8]) {
        for price in last { bytes.append(state: price.raw) }
    }

    mutating func restore(_ bytes: RawSpan) throws(CheckpointError) {
        let count = bytes.byteCount / 8
        guard bytes.byteCount == count * 8, count <= StreamLimits.symbolsMax else {
            throw .malformed(.tick, offset: 0)
        }
        last = (0..<count).map { Price(raw: bytes.int64(at: $0 * 8)) }
    }
}
