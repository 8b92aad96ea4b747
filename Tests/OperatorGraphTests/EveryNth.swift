import MarketModel
import OperatorGraph
import Primitives
import StreamCore

/// A test operator that lets every nth tick of a symbol through and reports how many it saw.
struct EveryNth: TickOperator {
    private let n: UInt64
    private var seen: [UInt64] = []

    init(settings: [GraphSetting]) throws(TickOperatorError) {
        guard let text = settings.first(where: { $0.name == "n" })?.value, let n = UInt64(text),
            n > 0
        else { throw TickOperatorError("every: n is missing or no number: write n: 3") }
        self.n = n
    }

    mutating func take(
        _ tick: GraphTick, of symbol: SourceSymbol, publishing values: inout [OperatorValue]
    ) -> Bool {
        let index = Int(tick.header.symbol)
        while seen.count <= index { seen.append(0) }
        seen[index] += 1
        guard seen[index] % n == 0 else { return false }
        values.append(OperatorValue(name: "seen", value: Int128(seen[index]) * 1_000_000_000))
        return true
    }

    func encode(into bytes: inout [UInt8]) {
        for count in seen {
            for byte in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: count >> UInt64(8 * byte))) }
        }
    }

    mutating func restore(_ bytes: RawSpan) throws(CheckpointError) {
        guard bytes.byteCount % 8 == 0 else { throw .malformed(.tick, offset: 0) }
        seen = stride(from: 0, to: bytes.byteCount, by: 8).map { start in
            (0..<8).reduce(UInt64(0)) { sum, byte in
                sum | UInt64(bytes.uint8(at: start + byte)) << UInt64(8 * byte)
            }
        }
    }
}
