import MarketModel
import ServiceRuntime
import StoreSinks
import TapeCodec
import TapeProtocol
import TapeTransport

/// The command `store-writer audit`: whether each record that the positions count is one row.
struct StoreAudit {
    static let name = "audit"

    /// What the rows of one source in a place are.
    struct Rows: Equatable {
        var rows: UInt64
        var ordinals: UInt64
        var first: UInt64
        var last: UInt64
    }

    /// What was copied of one source from another store.
    struct Filled: Equatable {
        var rows: UInt64
        var first: UInt64
    }

    private var differences: [String] = []
    /// Why places are not compared, one line each.
    private(set) var left: [String] = []
    private var positions = 0
    private var sources = 0
    private var rows: UInt64 = 0

    /// Compares the counts of a place with its rows. `declared`: the sources of a batch of which
    /// any part may be there. `filled`: what was copied beside what the positions count.
    mutating func compare(
        _ place: SinkPlace, _ accounts: [SinkPosition.SourceAccount], _ found: [SourceName: Rows],
        declared: Set<SourceName> = [], filled: [SourceName: Filled] = [:]
    ) {
        note(place, Self.problems(accounts, found, declared: declared, filled: filled), found)
    }

    /// Notes what is wrong with the rows of a place that has a position.
    mutating func note(_ place: SinkPlace, _ problems: [String], _ found: [SourceName: Rows]) {
        positions += 1
        add(place, problems, found)
    }

    /// Takes the rows of a place that has no position. There should be none.
    mutating func compareWithoutPosition(_ place: SinkPlace, _ found: [SourceName: Rows]) {
        let present = found.filter { $0.value.rows > 0 }
        let problems = present.keys.sorted().map { source in
            "\(source) has \(present[source]?.rows ?? 0) rows, and there is no position"
        }
        add(place, problems, present)
    }

    /// Notes why a place is not compared.
    mutating func leave(_ place: SinkPlace, _ reason: String) {
        positions += 1
        left.append("\(InputNumber.name(InputNumber.of(place))) \(reason)")
    }

    private mutating func add(
        _ place: SinkPlace, _ problems: [String], _ found: [SourceName: Rows]
    ) {
        differences += problems.map { "\(InputNumber.name(InputNumber.of(place))): \($0)" }
        sources += found.count
        rows += found.values.reduce(0) { $0 + $1.rows }
    }

    /// What is wrong, one line each. Rows that no position counts prove nothing, however many.
    var problems: [String] {
        guard positions == 0 else { return differences }
        return [
            "nothing was compared: no position of this store is there, and \(rows) rows: its "
                + "address, database or STORE_NAME is that of another one, or it has stored nothing"
        ]
    }

    /// Says what was found.
    func end(_ telemetry: TelemetryHub) -> ExitCode {
        for problem in problems { telemetry.emit(.auditDiffers(problem)) }
        for reason in left { telemetry.emit(.auditLeft(reason)) }
        guard problems.isEmpty, left.isEmpty else { return .failure }
        telemetry.emit(.auditClean(rows: rows, sources: sources))
        return .success
    }

    /// Returns what is wrong with the rows of a place, one line each.
    static func problems(
        _ accounts: [SinkPosition.SourceAccount], _ found: [SourceName: Rows],
        declared: Set<SourceName> = [], filled: [SourceName: Filled] = [:]
    ) -> [String] {
        var problems: [String] = []
        let known = Set(accounts.map(\.source))
        for account in accounts {
            let rows = found[account.source] ?? Rows(rows: 0, ordinals: 0, first: 0, last: 0)
            if rows.rows != rows.ordinals {
                problems.append(
                    "\(account.source) has \(rows.rows) rows of \(rows.ordinals) ordinals")
            }
            let isOpen = declared.contains(account.source)
            let copied = filled[account.source]
            let written = account.written + (copied?.rows ?? 0)
            if isOpen ? rows.ordinals < written : rows.ordinals != written {
                problems.append(
                    "\(account.source) has \(rows.ordinals) ordinals, written are "
                        + "\(account.written)"
                        + (copied.map { " and copied \($0.rows)" } ?? ""))
            }
            guard rows.rows > 0 else { continue }
            if rows.first < min(account.firstOrdinal, copied?.first ?? .max)
                || !isOpen && rows.last > account.lastOrdinal
            {
                problems.append(
                    "\(account.source) has ordinals from \(rows.first) to \(rows.last), counted "
                        + "are those from \(account.firstOrdinal) to \(account.lastOrdinal)")
            }
        }
        for source in found.keys.sorted()
        where !known.contains(source) && !declared.contains(source) {
            problems.append("\(source) has rows and is not counted")
        }
        return problems
    }
}

extension ServiceEvent {
    /// The rows are not those that the positions count.
    fileprivate static func auditDiffers(_ problem: String) -> Self {
        Self(.error, "audit.differs", problem)
    }

    /// Nothing is known of these rows.
    fileprivate static func auditLeft(_ reason: String) -> Self {
        Self(.warning, "audit.left", reason)
    }

    fileprivate static func auditClean(rows: UInt64, sources: Int) -> Self {
        Self(
            .info, "audit.clean", "each record that is counted as written is one row",
            ("rows", .integer(Int64(clamping: rows))), ("sources", .integer(Int64(sources))))
    }
}
