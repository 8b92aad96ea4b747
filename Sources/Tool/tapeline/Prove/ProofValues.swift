import MarketModel
import OperatorGraph
import PostgresClient
import Primitives
import StreamCore

/// Identifies one number of a window that an aggregate node, or one over all partitions, published.
struct ProofValueKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// `nil` for a number over all symbols.
    var symbol: SourceSymbol?
    var name: String
    var from: Int64
    var to: Int64

    static func < (left: ProofValueKey, right: ProofValueKey) -> Bool {
        if left.symbol != right.symbol {
            guard let one = left.symbol, let other = right.symbol else { return left.symbol == nil }
            return one < other
        }
        return (left.name, left.from, left.to) < (right.name, right.from, right.to)
    }

    var description: String {
        (symbol.map { "\($0) " } ?? "")
            + "\(name) \(Timestamp(nanoseconds: from)) to \(Timestamp(nanoseconds: to))"
    }
}

/// An aggregate node, as its numbers are proven.
struct ProofAggregate: Sendable {
    let names: Set<String>
    let series: [BarSeries]
    /// The nodes before it that remove duplicates.
    let deduplicates: [SeriesName]
}

/// Compares stored numbers with computed ones. `IndicatorValue.undefined` is none, or one that was
/// withdrawn.
struct ProofValues: Sendable {
    struct Difference: Sendable {
        let kind: ProofDifference.Kind
        let key: ProofValueKey
        let stored: Int128?
        let computed: Int128?
    }

    /// Whether they are of nodes over all partitions.
    var isOverAll = false
    private(set) var equal = 0
    private(set) var differing = 0
    private(set) var missing = 0
    private(set) var extra = 0
    /// Numbers that are not stored because their windows are not over. They are not judged.
    private(set) var open = 0
    /// Numbers of windows that were, or should have been, computed again, and are neither what all
    /// of their ticks make nor what they were at first. Which late ticks count in such a window no
    /// record says. Of values over all partitions: those of whose bars some are not on the tape any
    /// more, or that an earlier definition made.
    private(set) var unchecked = 0
    private(set) var differences: [Difference] = []

    var isClean: Bool { differing + missing + extra == 0 }
    var isEmpty: Bool { equal + unchecked == 0 && isClean }

    /// `mended`: what all ticks make, where windows were computed again. `isMended` says of which
    /// this is true, and `isOver` which numbers have to be stored by now.
    mutating func compare(
        _ stored: [ProofValueKey: Int128], with live: [ProofValueKey: Int128],
        _ mended: [ProofValueKey: Int128], isMended: (ProofValueKey) -> Bool,
        isOver: (ProofValueKey) -> Bool
    ) {
        let none = IndicatorValue.undefined
        for key in Set(stored.keys).union(live.keys).sorted() {
            let (row, first) = (stored[key], live[key])
            if (row ?? none) == (first ?? none) {
                equal += row == nil ? 0 : 1
            } else if isMended(key) {
                if (row ?? none) == (mended[key] ?? none) { equal += 1 } else { unchecked += 1 }
            } else if row == nil, !isOver(key) {
                open += 1
            } else {
                add(row == nil ? .missing : first == nil ? .extra : .differing, key, row, first)
            }
        }
    }

    /// Compares values over all partitions. `isKnown` says which the tape can make again, and
    /// `isOver` which have to be stored by now.
    mutating func compare(
        _ stored: [ProofValueKey: Int128], with computed: [ProofValueKey: Int128],
        isKnown: (ProofValueKey) -> Bool, isOver: (ProofValueKey) -> Bool
    ) {
        let none = IndicatorValue.undefined
        for key in Set(stored.keys).union(computed.keys).sorted() {
            let (row, again) = (stored[key], computed[key])
            if !isKnown(key) {
                unchecked += 1
            } else if (row ?? none) == (again ?? none) {
                equal += row == nil ? 0 : 1
            } else if !isOver(key) {
                open += 1
            } else {
                add(row == nil ? .missing : again == nil ? .extra : .differing, key, row, again)
            }
        }
    }

    private mutating func add(
        _ kind: ProofDifference.Kind, _ key: ProofValueKey, _ stored: Int128?, _ computed: Int128?
    ) {
        switch kind {
        case .differing: differing += 1
        case .missing: missing += 1
        case .extra: extra += 1
        }
        guard differences.count < ProofComparison.differencesMax else { return }
        differences.append(
            Difference(kind: kind, key: key, stored: stored, computed: computed))
    }

    // MARK: report

    /// The first differences and all counts, for a person.
    var lines: [String] {
        var lines = differences.prefix(ProofReport.barsShown).map { one in
            "\(one.kind.rawValue) \(one.key) (from the tape): stored \(Self.text(one.stored)), "
                + "computed \(Self.text(one.computed))"
        }
        var text =
            "values, \(isOverAll ? "all:  " : "tape: ")   \(equal) values equal, "
            + "\(differing) differing, \(missing) missing, \(extra) extra"
        if open > 0 { text += ", \(open) not over yet" }
        if unchecked > 0 {
            text += ", \(unchecked) "
            text +=
                isOverAll
                ? "not checked: the tape does not hold all of their bars, or an earlier graph made "
                    + "them"
                : "computed again and not checked"
        }
        lines.append(text)
        return lines
    }

    func write(into json: inout JSONWriter) {
        json.member("equal", equal)
        json.member("differing", differing)
        json.member("missing", missing)
        json.member("extra", extra)
        json.member("not_over", open)
        json.member("not_checked", unchecked)
        json.member("values", each: differences) { one, json in
            json.member("kind", one.kind.rawValue)
            json.member("symbol", one.key.symbol?.symbol.text)
            json.member("source", one.key.symbol?.source.text)
            json.member("name", one.key.name)
            json.member("period_start_ns", one.key.from)
            json.member("period_end_ns", one.key.to)
            json.member("stored", Self.text(one.stored))
            json.member("computed", Self.text(one.computed))
        }
    }

    private static func text(_ value: Int128?) -> String {
        guard let value, value != IndicatorValue.undefined else { return "none" }
        return FixedPoint.text(value, decimals: Price.decimals)
    }
}

extension GraphDefinition {
    /// The nodes that publish numbers of windows.
    var aggregates: [ProofAggregate] {
        nodes.compactMap { node in
            guard case .aggregate(let rule, _) = node.operation, !isOfBooks(node) else {
                return nil
            }
            let names = rule.bars.series.all.flatMap { series in
                rule.functions.map { "\(node.name).\(series.name).\($0)" }
            }
            return ProofAggregate(
                names: Set(names), series: rule.bars.series.all,
                deduplicates: deduplicates(in: stages(before: node)))
        }
    }
}

extension ProofDatabase {
    /// Returns the last revision of numbers of windows that begin in [from, to) and end by `until`.
    func values(
        _ symbol: Symbol, _ names: Set<String>, _ range: Range<Int64>, until: Int64
    ) throws(ToolError) -> [ProofValueKey: Int128] {
        let query = """
            SELECT DISTINCT ON (name, of_source, period_start_ns, period_end_ns)
                name, of_source, period_start_ns, period_end_ns, value
            FROM indicators WHERE symbol = $5 AND name = ANY ($6) AND ts >= $1 AND ts <= $2
                AND source = 'operator' AND period_start_ns >= $3 AND period_start_ns < $4
            ORDER BY name, of_source, period_start_ns, period_end_ns, revision DESC, epoch DESC,
                ordinal DESC
            """
        let ends = Self.bounds(range.lowerBound, until).prefix(2)
        let begins: [PostgresValue] = [.integer(range.lowerBound), .integer(range.upperBound)]
        let rows = try rows(
            query, Array(ends) + begins + [.text(symbol.text), .textArray(names.sorted())])
        var found: [ProofValueKey: Int128] = [:]
        for row in 0..<rows.rowCount {
            guard let name = rows.text(row, 0), let from = rows.integer(row, 2),
                let source = rows.text(row, 1).flatMap({ SourceName($0) }),
                let to = rows.integer(row, 3)
            else { continue }
            let key = ProofValueKey(
                symbol: SourceSymbol(symbol, of: source), name: name, from: from, to: to)
            found[key] =
                rows.numeric(row, 4, scale: Price.decimals) ?? IndicatorValue.undefined
        }
        return found
    }

    /// Whether a person asked for a repair of the symbol, or of all, after a time.
    func wasRepaired(_ symbol: Symbol, after from: Int64) throws(ToolError) -> Bool {
        let query = """
            SELECT EXISTS (SELECT FROM events WHERE name = 'repair_request' AND ts >= $1
                AND (symbol = $2 OR symbol IS NULL))
            """
        let rows = try rows(
            query, [.timestamp(Timestamp(nanoseconds: from)), .text(symbol.text)])
        return rows.bool(0, 0) == true
    }
}
