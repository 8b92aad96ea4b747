import MarketModel
import Primitives
import TapeCodec

/// The gaps that a source's records on the tape report, per symbol.
struct GapMap {
    /// How a tick relates to the recorded gaps.
    enum Verdict: Equatable {
        case inside
        /// The tick is in a gap that was filled from elsewhere.
        case filled
        /// Its symbol has gaps, but the tick is in none of them.
        case outside
        case noGapOfSymbol
    }

    private struct Interval: Hashable {
        let from: Timestamp
        /// Undefined, which compares above every time, while the gap is open.
        let to: Timestamp
        /// The raw value of a `DataKind`.
        let kind: UInt8

        func covers(_ time: Timestamp, _ kind: DataKind) -> Bool {
            from <= time && time < to
                && (self.kind == DataKind.any.rawValue || self.kind == kind.rawValue)
        }
    }

    private struct Gaps {
        var open: Set<Interval> = []
        var filled: Set<Interval> = []

        mutating func add(_ interval: Interval, state: UInt8) {
            if state == GapState.filled.rawValue {
                filled.insert(interval)
            } else {
                open.insert(interval)
            }
        }
    }

    private var bySymbol: [Symbol: Gaps] = [:]
    /// The gaps of all symbols.
    private var general = Gaps()
    private(set) var count = 0

    /// Adds a gap; `nil` means all symbols. What the tape itself lost is left out, because that gap
    /// names ordinals and not ticks that a spool could supply.
    mutating func add(_ gap: GapRecord, symbol: Symbol?) {
        guard gap.reason != GapReason.tapeLost.rawValue else { return }
        count += 1
        let from = gap.from.isDefined ? gap.from : Timestamp(nanoseconds: Int64.min)
        let interval = Interval(from: from, to: gap.to, kind: gap.kind)
        if let symbol {
            bySymbol[symbol, default: Gaps()].add(interval, state: gap.state)
        } else {
            general.add(interval, state: gap.state)
        }
    }

    func verdict(_ symbol: Symbol?, _ kind: DataKind, at time: Timestamp) -> Verdict {
        let own = symbol.flatMap { bySymbol[$0] } ?? Gaps()
        func covers(_ intervals: Set<Interval>) -> Bool {
            intervals.contains { $0.covers(time, kind) }
        }
        if covers(own.filled) || covers(general.filled) { return .filled }
        if covers(own.open) || covers(general.open) { return .inside }
        return own.open.isEmpty && general.open.isEmpty ? .noGapOfSymbol : .outside
    }
}
