import MarketModel
import Primitives
import StreamCore

/// Identifies one stored bar.
struct ProofKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    var symbol: SourceSymbol
    var series: SeriesName
    var openTime: Int64
    var number: Int64

    static func < (left: ProofKey, right: ProofKey) -> Bool {
        if left.symbol != right.symbol {
            return left.symbol < right.symbol
        }
        return (left.series, left.openTime, left.number)
            < (right.series, right.openTime, right.number)
    }

    var description: String {
        let place = number == 0 ? "" : " #\(number)"
        return "\(symbol) \(series) \(Timestamp(nanoseconds: openTime))\(place)"
    }
}

/// A row of `bars`.
struct StoredBar: Sendable {
    var key: ProofKey
    var bar: Bar
    /// The output ordinal of this version of the bar.
    var revision: UInt64

    /// True if the bar was made by reading the tape again. Ticks that came late or afterwards count
    /// in it.
    var isRepaired: Bool { bar.reason >= BarReason.bust.rawValue }
    /// True if its trades were cancelled.
    var isWithdrawn: Bool { bar.trades == 0 && !bar.open.isDefined }
}

/// A bar that differs from what it should be.
struct ProofDifference: Sendable {
    enum Kind: String, Sendable { case differing, missing, extra }

    struct Field: Equatable, Sendable {
        let name: String
        let stored: String
        let computed: String
    }

    let kind: Kind
    let key: ProofKey
    let fields: [Field]
}

/// Compares stored bars with computed ones.
struct ProofComparison: Sendable {
    private(set) var equal = 0
    private(set) var differing = 0
    private(set) var missing = 0
    private(set) var extra = 0
    /// Bars that are not stored because the operator has not closed them yet. They are not judged.
    private(set) var open = 0
    private(set) var differences: [ProofDifference] = []

    /// Further differences are only counted.
    static let differencesMax = 1_000

    /// The number of bars that are not as they should be.
    var wrong: Int { differing + missing + extra }
    var isClean: Bool { wrong == 0 }
    /// True if there was no bar on either side.
    var isEmpty: Bool { equal == 0 && isClean }

    /// The parts of bars that are compared.
    struct Rule {
        /// False for bars from the tables, which know neither subscriptions nor gaps.
        let looksAtFlags: Bool
        /// Series whose stored count of filtered ticks may be lower than the computed one. A tick
        /// that a node keeps back and that comes too late is neither counted nor listed.
        var keptBack: Set<SeriesName> = []
    }

    /// `isOver` returns whether a computed bar has to be stored by now.
    mutating func compare(
        _ stored: [StoredBar], with computed: [ProofKey: Bar], _ rule: Rule,
        isOver: (ProofKey, Bar) -> Bool
    ) {
        var rest = computed
        for row in stored.sorted(by: { $0.key < $1.key }) {
            guard var bar = rest.removeValue(forKey: row.key) else {
                if row.isWithdrawn { equal += 1 } else { add(.extra, row.key) }
                continue
            }
            if rule.keptBack.contains(row.key.series), !row.isRepaired {
                bar.excluded.filter = min(bar.excluded.filter, row.bar.excluded.filter)
            }
            let flags = rule.looksAtFlags && !row.isRepaired
            let fields = Self.fields(row.bar, bar, looksAtFlags: flags)
            if fields.isEmpty { equal += 1 } else { add(.differing, row.key, fields) }
        }
        for (key, bar) in rest.sorted(by: { $0.key < $1.key }) {
            if isOver(key, bar) { add(.missing, key) } else { open += 1 }
        }
    }

    private mutating func add(
        _ kind: ProofDifference.Kind, _ key: ProofKey, _ fields: [ProofDifference.Field] = []
    ) {
        switch kind {
        case .differing: differing += 1
        case .missing: missing += 1
        case .extra: extra += 1
        }
        guard differences.count < Self.differencesMax else { return }
        differences.append(ProofDifference(kind: kind, key: key, fields: fields))
    }

    private static func fields(
        _ stored: Bar, _ computed: Bar, looksAtFlags: Bool
    ) -> [ProofDifference.Field] {
        var fields: [ProofDifference.Field] = []
        func look<Value: Equatable>(
            _ name: String, _ value: (Bar) -> Value, shown: (Value) -> String = { "\($0)" }
        ) {
            let (left, right) = (value(stored), value(computed))
            guard left != right else { return }
            fields.append(
                ProofDifference.Field(name: name, stored: shown(left), computed: shown(right)))
        }
        look("open") { $0.open }
        look("high") { $0.high }
        look("low") { $0.low }
        look("close") { $0.close }
        look("volume") {
            $0.volume
        } shown: {
            FixedPoint.text($0, decimals: Quantity.decimals)
        }
        look("vwap") { $0.vwap }
        look("notional") {
            $0.notional
        } shown: {
            FixedPoint.text($0, decimals: Price.decimals + Quantity.decimals)
        }
        look("trades") { $0.trades }
        look("excluded_condition") { $0.excluded.condition }
        look("excluded_odd_lot") { $0.excluded.oddLot }
        look("excluded_filter") { $0.excluded.filter }
        look("excluded_undefined") { $0.excluded.undefined }
        look("close_time") { $0.closeTime }
        guard looksAtFlags else { return fields }
        look("partial") { $0.flags.contains(.partial) }
        look("mixed_providers") { $0.flags.contains(.mixedProviders) }
        return fields
    }
}
