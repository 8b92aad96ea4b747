import Primitives
import StoreSinks

/// The ordinals of one source in one partition of an input.
struct FillLane: Hashable, Comparable, Sendable {
    let input: String
    let partition: Int64
    let source: String

    static func < (one: FillLane, other: FillLane) -> Bool {
        (one.input, one.partition, one.source) < (other.input, other.partition, other.source)
    }
}

/// What the books of a store say of a lane.
struct FillAccount: Equatable, Sendable {
    /// The first ordinal that the store has, or that one of its gaps names.
    var first: Int64
    var last: Int64
    /// The ordinals without rows that its gaps name, ascending.
    var gaps: [ClosedRange<Int64>] = []
    /// The ordinals of which a group of tables has lost its rows, ascending.
    var holes: [TableGroup: [ClosedRange<Int64>]] = [:]
    /// Gaps that cannot be filled yet, because a group of tables waits apart.
    var unready: [ClosedRange<Int64>] = []
    /// How many ordinals cannot be filled yet, because a group waits apart.
    var waiting: Int64 = 0
    /// How many ordinals may be without rows and in no gap: skipped, dropped by retention, set
    /// aside as dead letters, or left to a group of tables that waits apart.
    var unnamed: Int64 = 0

    /// The ordinals of which no table has a row, ascending.
    var lost: [ClosedRange<Int64>] {
        unready.isEmpty ? gaps : (gaps + unready).sorted { $0.lowerBound < $1.lowerBound }
    }

    /// Whether the ordinals of a part of a stretch can be filled now.
    func isReady(for part: FillPlan.Stretch) -> Bool {
        if part.isBeginning { return part.ordinals.upperBound == first - 1 }
        return (part.group.map { holes[$0] ?? [] } ?? gaps).contains {
            $0.common(part.ordinals) == part.ordinals
        }
    }
}

/// How much is done at a time, in ordinals.
struct FillSteps: Sendable {
    /// The other store's tables are read once for so many.
    var pass: Int64 = 500_000
    /// One transaction accounts for so many.
    var step: Int64 = 20_000
}

/// What is copied from one store into another. Pure.
struct FillPlan: Equatable, Sendable {
    /// A range of ordinals that is filled step by step.
    struct Stretch: Equatable, Sendable {
        let lane: FillLane
        let ordinals: ClosedRange<Int64>
        /// It ends right before the first ordinal of the store, and is filled from its end on.
        let isBeginning: Bool
        /// The group of tables of which alone rows are missing; `nil`: rows of all.
        var group: TableGroup?
        /// The ordinals of the stretch that the other store lacks, too. They become a named gap.
        var lacking: [ClosedRange<Int64>] = []
        /// Ordinals between gaps that are filled together. They are no part of the stretch.
        /// Ascending.
        var between: [ClosedRange<Int64>] = []
        /// For people.
        var place: String {
            "ordinals \(ordinals.lowerBound) to \(ordinals.upperBound) of \(lane.source) in "
                + "partition \(lane.partition)"
        }

        /// The parts of at most so many ordinals, in the order in which they are filled.
        func parts(of most: Int64) -> [Stretch] {
            var parts: [Stretch] = []
            var (low, high) = (ordinals.lowerBound, ordinals.upperBound)
            while low <= high {
                let part =
                    isBeginning
                    ? max(low, high - most + 1)...high : low...min(high, low + most - 1)
                parts.append(
                    Stretch(
                        lane: lane, ordinals: part, isBeginning: isBeginning, group: group,
                        lacking: lacking.compactMap { $0.common(part) },
                        between: between.compactMap { $0.common(part) }))
                if isBeginning { high = part.lowerBound - 1 } else { low = part.upperBound + 1 }
            }
            return parts
        }

        /// Returns what is left of the stretch from a part of it on, in the order of filling.
        func rest(from part: Stretch) -> Stretch {
            let ordinals =
                isBeginning
                ? self.ordinals.lowerBound...part.ordinals.upperBound
                : part.ordinals.lowerBound...self.ordinals.upperBound
            return Stretch(
                lane: lane, ordinals: ordinals, isBeginning: isBeginning, group: group,
                lacking: lacking.compactMap { $0.common(ordinals) },
                between: between.compactMap { $0.common(ordinals) })
        }

        /// How many ordinals are its own.
        var size: Int64 { ordinals.size - between.reduce(0) { $0 + $1.size } }

        /// How many of them the other store has.
        var wanted: Int64 { size - lacking.reduce(0) { $0 + $1.size } }

        /// Whether an ordinal within its range is one of its own.
        func has(_ ordinal: Int64) -> Bool {
            var (low, high) = (0, between.count)
            while low < high {
                let middle = (low + high) / 2
                if between[middle].contains(ordinal) { return false }
                if between[middle].upperBound < ordinal { low = middle + 1 } else { high = middle }
            }
            return true
        }

        /// Returns its ordinals that are in none of these ranges.
        func without(_ others: [ClosedRange<Int64>]) -> [ClosedRange<Int64>] {
            guard !between.isEmpty else { return ordinals.without(others) }
            return ordinals.without((others + between).sorted { $0.lowerBound < $1.lowerBound })
        }
    }

    /// What is missing in a lane.
    struct Missing: Equatable, Sendable {
        let lane: FillLane
        /// The ordinals that gaps name, and those before the first one.
        var ordinals: Int64
        /// How many of them cannot be filled yet.
        var waiting: Int64 = 0
        var stretches: [Stretch]
    }

    /// The lanes in which something is missing, in order.
    private(set) var missing: [Missing] = []
    /// The lanes that only the other store knows.
    let unknown: [FillLane]

    /// `inputs` are those that the store reads: it may be one alone. Gaps with at most so many
    /// ordinals `between` them are filled together: each stretch costs as much as thousands of rows
    /// that are read in vain.
    init(
        of store: [FillLane: FillAccount], from other: [FillLane: FillAccount], inputs: Set<String>,
        between most: Int64 = 0
    ) {
        unknown = other.keys.filter { store[$0] == nil && inputs.contains($0.input) }.sorted()
        for (lane, own) in store.sorted(by: { $0.key < $1.key }) {
            let before = max(0, own.first - 1)
            let named = own.gaps + own.holes.values.joined()
            let ordinals = before + own.waiting + named.reduce(0) { $0 + $1.size }
            guard ordinals > 0 else { continue }
            var stretches: [Stretch] = []
            if let account = other[lane] { stretches = Self.stretches(lane, own, account, most) }
            missing.append(
                Missing(
                    lane: lane, ordinals: ordinals, waiting: own.waiting, stretches: stretches))
        }
    }

    private static func stretches(
        _ lane: FillLane, _ own: FillAccount, _ other: FillAccount, _ most: Int64
    ) -> [Stretch] {
        guard other.first <= other.last else { return [] }
        let present = other.first...other.last
        var stretches: [Stretch] = []
        // Where the other store ends before the first ordinal, a part between them would be in no
        // books.
        if own.first > 1, other.first < own.first, other.last >= own.first - 1 {
            let range = other.first...(own.first - 1)
            let lacking = other.lost.compactMap { $0.common(range) }
            stretches.append(
                Stretch(lane: lane, ordinals: range, isBeginning: true, lacking: lacking))
        }
        let gaps = own.gaps.compactMap { $0.common(present) }.flatMap { $0.without(other.lost) }
        stretches += joined(gaps, lane, most)
        for (group, holes) in own.holes.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            for range in holes.compactMap({ $0.common(present) }).flatMap({
                $0.without(other.lost)
            }) {
                stretches.append(
                    Stretch(lane: lane, ordinals: range, isBeginning: false, group: group))
            }
        }
        return stretches
    }

    /// Returns ascending gaps as stretches, those together that have few ordinals between them.
    private static func joined(
        _ gaps: [ClosedRange<Int64>], _ lane: FillLane, _ most: Int64
    ) -> [Stretch] {
        var stretches: [Stretch] = []
        var start = 0
        for index in gaps.indices {
            let isLast = index == gaps.count - 1
            if most > 0, !isLast,
                gaps[index + 1].lowerBound - gaps[index].upperBound - 1 <= most
            {
                continue
            }
            let own = gaps[start...index]
            let between = zip(own, own.dropFirst()).compactMap { one, next in
                one.upperBound + 1 < next.lowerBound
                    ? one.upperBound + 1...next.lowerBound - 1 : nil
            }
            stretches.append(
                Stretch(
                    lane: lane, ordinals: gaps[start].lowerBound...gaps[index].upperBound,
                    isBeginning: false, between: between))
            start = index + 1
        }
        return stretches
    }
}

extension ClosedRange<Int64> {
    /// The number of ordinals. Those of a tape are far below the largest number.
    var size: Int64 { upperBound - lowerBound + 1 }

    func common(_ other: Self) -> Self? {
        let (low, high) = (
            Swift.max(lowerBound, other.lowerBound), Swift.min(upperBound, other.upperBound)
        )
        return low <= high ? low...high : nil
    }

    /// Returns the parts that are in none of `others`, which are ascending and apart.
    func without(_ others: [Self]) -> [Self] {
        var parts: [Self] = []
        var low = lowerBound
        for other in others.compactMap(common) {
            if low < other.lowerBound { parts.append(low...(other.lowerBound - 1)) }
            low = Swift.max(low, other.upperBound + 1)
        }
        if low <= upperBound { parts.append(low...upperBound) }
        return parts
    }
}

/// What became of the ordinals of a step.
struct FillOutcome: Equatable, Sendable {
    /// So many ranges of one step may stay missing. Each is a row of `gaps`.
    private static let namedMax = 1_000

    /// Ordinals that are rows now, and were none before.
    let filled: Int64
    /// Ordinals that are named no longer. Of the hole of a group of tables also those that are rows
    /// of other groups.
    let settled: Int64
    /// Ordinals without a row. They stay a gap, or become one, whatever the reason is for which the
    /// other store has no row. Ascending.
    let named: [ClosedRange<Int64>]

    /// The step, of which these ordinals become rows, ascending, and `others` are rows of groups of
    /// tables that have not lost them, ascending.
    init(_ step: FillPlan.Stretch, rows: [Int64], others: [Int64] = []) {
        filled = Int64(rows.count)
        settled = filled + Int64(others.count)
        let all = others.isEmpty ? rows : (rows + others).sorted()
        named = step.without(all.map { $0...$0 })
    }

    /// Throws when more ranges of a step would stay missing in a store than it can name.
    func requireFew(of step: FillPlan.Stretch, in store: String) throws(ToolError) {
        guard named.count > Self.namedMax else { return }
        throw .refused(
            "more than \(Self.namedMax) ranges of \(step.place) would stay missing: fill "
                + "\(store) from a store that takes all tables")
    }

    /// Returns whether the rows that the other store has of a step are what its books say: each
    /// ordinal at most once, none in a gap, and no more missing than they explain.
    static func isExplained(
        _ step: FillPlan.Stretch, rows: [Int64], _ unnamed: Int64
    ) -> Bool {
        let without = step.wanted - Int64(rows.count)
        return zip(rows, rows.dropFirst()).allSatisfy { $0 < $1 } && (0...unnamed).contains(without)
            && rows.allSatisfy { row in
                step.ordinals.contains(row) && step.has(row)
                    && !step.lacking.contains { $0.contains(row) }
            }
    }
}
