import BenchmarkRows
import PostgresClient
import StoreSinks
import TestSupport

/// Compares keyed rows that go through the staging table with a plain COPY of as many rows into a
/// table of the same shape, in turns, on one server. Both tables have their key's index.
struct BarRun {
    /// The least rate, as a share of a plain COPY's. A row that replaces another one moves it to
    /// `bar_versions`, so it is two rows.
    private var ratioMin: Double { revised == 0 ? 0.5 : 0.4 }
    private static let turns = 3
    private static let rowsPerTurn = 60_000

    /// Copies into the table itself, as if no row ever came again.
    private static let plainCopy =
        SinkCatalogue([.bars]).sinks[0].copy.replacing("bars_staging", with: "bars_short")

    let database: Stage.Database
    let perTransaction: Int
    /// This many of a thousand rows come again under a key of the previous transaction.
    let revised: Int

    enum Way: CaseIterable {
        case copy
        /// As the writer does if no key comes twice: through the staging table.
        case merge
        /// As if a key had come twice.
        case mergeOfAny
    }

    func run() throws -> Bool {
        let session = try database.connect()
        let catalogue = SinkCatalogue([.bars])
        guard let merge = catalogue.sinks.first?.merge else { throw Load.Unusable() }
        try session.execute(merge.makeStaging, timeout: Stage.timeout)
        var times: [Way: [Double]] = [:]
        var next: UInt64 = 1
        for _ in 0..<Self.turns {
            for way in Way.allCases {
                try session.script("TRUNCATE bars_short, bar_versions", timeout: Stage.timeout)
                var loads: [Load] = []
                for _ in 0..<(Self.rowsPerTurn / perTransaction) {
                    let load = try Load(
                        .bars, rows: perTransaction, perPacket: 512, firstOrdinal: next,
                        revised: way == .copy ? 0 : revised, distance: perTransaction - 3)
                    next += UInt64(load.rows)
                    loads.append(load)
                }
                let time = try seconds {
                    for load in loads { try transaction(load, way, catalogue, merge, session) }
                }
                times[way, default: []].append(time)
            }
        }
        let copy = best(times[.copy] ?? [])
        let ratio = copy / best(times[.merge] ?? [])
        say(
            "bars: \(database.name), \(perTransaction) a transaction, \(revised / 10) % revisions: "
                + "COPY \(Int(Double(Self.rowsPerTurn) / copy)) rows/s, ours \(percent(ratio)); "
                + "sorted and counted \(percent(copy / best(times[.mergeOfAny] ?? [])))")
        BenchmarkRow(
            "\(database.name), bars, \(perTransaction) a transaction, \(revised / 10) % revisions",
            Double(Self.rowsPerTurn) / best(times[.merge] ?? []), "rows/s"
        ).beside("a plain COPY", Double(Self.rowsPerTurn) / copy).ratio(atLeast: ratioMin)
            .tell()
        return ratio >= ratioMin
    }

    private func transaction(
        _ load: Load, _ way: Way, _ catalogue: SinkCatalogue, _ merge: Sink.Merge,
        _ session: PostgresConnection
    ) throws(PostgresError) {
        var keys = MergeKeys()
        let statement = way == .copy ? Self.plainCopy : catalogue.sinks[0].copy
        try session.copyIn(statement, after: "BEGIN", timeout: Stage.timeout) {
            row throws(PostgresError) in
            _ = try write(load, catalogue, to: &row, where: { _ in true }) {
                keys.insert(merge.key($0, $1))
            }
        }
        switch way {
        case .copy: try session.script("COMMIT", timeout: Stage.timeout)
        case .merge:
            let statements = merge.statements(keys).joined(separator: ";")
            try session.script("\(statements); COMMIT", timeout: Stage.timeout)
        case .mergeOfAny:
            let statements = merge.statements.joined(separator: ";")
            try session.script("\(statements); COMMIT", timeout: Stage.timeout)
        }
    }
}

func percent(_ ratio: Double) -> String { "\(Int((ratio * 100).rounded())) %" }
