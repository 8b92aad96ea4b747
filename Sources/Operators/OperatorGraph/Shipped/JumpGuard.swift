internal import MarketModel
internal import Primitives
internal import StreamCore

/// Keeps back trades whose price is farther than `percent` from the last one that it let through,
/// and publishes the distance. After `patience` such trades in a row the new price is accepted.
///
/// It is an example of a custom operator, and useful: a feed's wild prints stay out of the bars.
struct JumpGuard: TickOperator {
    static let name = "jump-guard"
    static let percentRange: ClosedRange<Int64> = 1...1_000
    static let patienceRange: ClosedRange<Int64> = 1...1_000
    /// The range of `warm_up`, in seconds.
    static let warmUpRange: ClosedRange<Int64> = 0...86_400

    /// The state of one symbol.
    private struct State {
        /// The last price that was let through; undefined before the first.
        var price = Price.undefined
        var keptInRow: Int64 = 0
    }

    private let percent: Int64
    private let patience: Int64
    /// A new guard agrees with an old one from the first price that both let through. Within this
    /// time, a symbol should trade more often than `patience`.
    let warmUp: Int64
    /// By interned symbol.
    private var states: [State] = []

    init(settings: [GraphSetting]) throws(TickOperatorError) {
        var numbers: [String: Int64] = ["percent": 10, "patience": 3, "warm_up": 300]
        for setting in settings {
            guard numbers[setting.name] != nil else {
                throw TickOperatorError(
                    "\(Self.name) has no setting \(setting.name): it knows percent, patience"
                        + " and warm_up")
            }
            guard let number = Int64(setting.value) else {
                throw TickOperatorError(
                    "\(Self.name): \(setting.name) is \"\(setting.value)\": write a whole number")
            }
            numbers[setting.name] = number
        }
        percent = numbers["percent"] ?? 0
        patience = numbers["patience"] ?? 0
        let seconds = numbers["warm_up"] ?? 0
        guard Self.warmUpRange.contains(seconds) else {
            throw TickOperatorError("\(Self.name): warm_up is a number of seconds, up to a day")
        }
        warmUp = seconds * 1_000_000_000
        guard Self.percentRange.contains(percent), Self.patienceRange.contains(patience) else {
            throw TickOperatorError("\(Self.name): percent and patience are numbers from 1 to 1000")
        }
    }

    mutating func take(
        _ tick: GraphTick, of symbol: SourceSymbol, publishing values: inout [OperatorValue]
    ) -> Bool {
        guard case .trade(let trade) = tick, trade.price.isDefined else { return true }
        let index = Int(trade.header.symbol)
        while states.count <= index { states.append(State()) }
        let last = states[index].price
        let distance = Int128(trade.price.raw) - Int128(last.raw)
        let isJump =
            last.isDefined
            && distance.magnitude * 100 > Int128(last.raw).magnitude * UInt128(percent)
        guard isJump, states[index].keptInRow + 1 < patience else {
            states[index] = State(price: trade.price)
            return true
        }
        states[index].keptInRow += 1
        values.append(OperatorValue(name: "jump", value: distance))
        return false
    }

    func encode(into bytes: inout [UInt8]) {
        for state in states {
            bytes.append(state: state.price.raw)
            bytes.append(state: state.keptInRow)
        }
    }

    mutating func restore(_ bytes: RawSpan) throws(CheckpointError) {
        let count = bytes.byteCount / 16
        guard bytes.byteCount == count * 16, count <= StreamLimits.symbolsMax else {
            throw .malformed(.tick, offset: 0)
        }
        states = (0..<count).map {
            State(
                price: Price(raw: bytes.int64(at: $0 * 16)),
                keptInRow: bytes.int64(at: $0 * 16 + 8))
        }
        // A guard never writes such a count, and later additions to it could overflow.
        guard states.allSatisfy({ (0..<patience).contains($0.keptInRow) }) else {
            throw .malformed(.tick, offset: 0)
        }
    }
}
