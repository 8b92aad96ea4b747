internal import MarketModel
public import Primitives
public import StreamCore

/// What has to be read again for some dirty ranges.
public struct RepairPlan: Sendable {
    /// All ticks with event times in [from, to) are needed, and those before `windowsFrom` only so
    /// that stages remember what they would have remembered.
    public let from: Timestamp
    public let windowsFrom: Timestamp
    public let to: Timestamp
    /// What is computed again: at most `rangesMax` ranges, or one for each symbol.
    public let ranges: [DirtyRange]
    /// In ascending order.
    public let symbols: [UInt32]
    let needs: RepairNeeds

    /// More are put together into one for each symbol, from its first moment to its last.
    public static let rangesMax = 1_024

    /// Nil without a range.
    init?(_ dirty: [DirtyRange], leaves: BarLeaves, warmUp: Int64) {
        guard !dirty.isEmpty else { return nil }
        ranges = dirty.count > Self.rangesMax ? Self.merged(dirty) : dirty
        symbols = Set(ranges.map(\.symbol)).sorted()
        needs = RepairNeeds(ranges, leaves)
        var from = Int64.max
        var to = Int64.min
        for leaf in leaves.plans.indices {
            for range in needs.byLeaf[leaf] {
                let extent = leaves.extent(leaf, of: range)
                from = min(from, extent.from)
                to = max(to, extent.to)
            }
        }
        windowsFrom = Timestamp(nanoseconds: from)
        self.from = windowsFrom.advanced(byNanoseconds: -warmUp)
        self.to = Timestamp(nanoseconds: to)
    }

    /// One range for each symbol; of two reasons the greater one, as where ranges overlap.
    static func merged(_ dirty: [DirtyRange]) -> [DirtyRange] {
        var merged: [DirtyRange] = []
        for range in dirty.sorted(by: { ($0.symbol, $0.from) < ($1.symbol, $1.from) }) {
            guard var last = merged.last, last.symbol == range.symbol else {
                merged.append(range)
                continue
            }
            last.to = max(last.to, range.to)
            last.reason = max(last.reason, range.reason)
            merged[merged.count - 1] = last
        }
        return merged
    }
}

/// Which ticks a machine is given in a repair: by symbol, stretches of time in order that do not
/// touch.
struct RepairExtents: Sendable {
    private struct Stretch: Sendable {
        var from: Int64
        var to: Int64
    }

    private var bySymbol: [[Stretch]]

    init(_ ranges: [DirtyRange], symbols: Int, extent: (DirtyRange) -> (from: Int64, to: Int64)) {
        var all = [[Stretch]](repeating: [], count: symbols)
        for range in ranges where range.symbol < symbols {
            let (from, to) = extent(range)
            all[Int(range.symbol)].append(Stretch(from: from, to: to))
        }
        bySymbol = all.map { Self.joined($0) }
    }

    private static func joined(_ stretches: [Stretch]) -> [Stretch] {
        guard stretches.count > 1 else { return stretches }
        var joined: [Stretch] = []
        for stretch in stretches.sorted(by: { $0.from < $1.from }) {
            guard let last = joined.last, stretch.from <= last.to else {
                joined.append(stretch)
                continue
            }
            joined[joined.count - 1].to = max(last.to, stretch.to)
        }
        return joined
    }

    func hold(_ header: TickHeader) -> Bool {
        guard header.symbol < bySymbol.count else { return false }
        let time = header.eventTime.nanoseconds
        return bySymbol[Int(header.symbol)].contains { $0.from <= time && time < $0.to }
    }
}
