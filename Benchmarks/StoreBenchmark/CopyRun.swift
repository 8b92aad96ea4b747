import BenchmarkRows
import Foundation
import PostgresClient
import Primitives
import StoreSinks
import Synchronization
import TestSupport

/// Compares our client with `psql \copy` of the same bytes into the same table, with as many rows
/// per transaction, in turns on one server. Ours makes rows from packets, psql reads files.
struct CopyRun {
    /// The least rate, as a share of psql's.
    static let ratioMin = 0.8
    private static let turns = 4

    let database: Stage.Database
    let kind: Load.Kind
    let perTransaction: Int
    let sessions: Int
    var isIndexed = true
    var rows = 400_000
    /// Whether psycopg copies the same rows, too.
    var isBesidePsycopg = false

    func run() throws -> Bool {
        try database.psql("DROP INDEX IF EXISTS \(table)_symbol_ts")
        if isIndexed {
            try database.psql("CREATE INDEX \(table)_symbol_ts ON \(table) (symbol, ts)")
        }
        // Each session has its own rows, as each worker of the writer has its own partitions.
        let shares = try (0..<sessions).map { share in
            try (0..<max(1, rows / sessions / perTransaction)).map { number in
                try Load(
                    kind, rows: perTransaction, perPacket: 512,
                    firstOrdinal: UInt64(share * rows + number * perTransaction + 1))
            }
        }
        let folder = try TemporaryFolder("store-benchmark")
        let scripts = try shares.enumerated().map { share, loads in
            try script(loads, "\(share)", folder)
        }
        var ours: [Double] = []
        var theirs: [Double] = []
        for _ in 0..<Self.turns {
            try database.psql("TRUNCATE \(table)")
            ours.append(try ourTurn(shares))
            try database.psql("TRUNCATE \(table)")
            theirs.append(try psqlTurn(scripts))
        }
        let total = Double(shares.reduce(0) { $0 + $1.reduce(0) { $0 + $1.rows } })
        let found = try database.psql("SELECT count(*) FROM \(table)")
        guard found == String(Int(total)) else { throw Load.Unusable() }
        let ratio = best(theirs) / best(ours)
        say(
            "copy: \(database.name), \(table)\(isIndexed ? "" : " without an index"), "
                + "\(perTransaction) a transaction, \(sessions) session(s): "
                + "\(Int(total / best(ours))) rows/s, psql \(Int(total / best(theirs))), "
                + "\(percent(ratio)) of it")
        row(total / best(ours)).beside("psql \\copy", total / best(theirs))
            .ratio(atLeast: Self.ratioMin).tell()
        if isBesidePsycopg { try besidePsycopg(total / best(ours)) }
        return ratio >= Self.ratioMin
    }

    /// The table that has the rows: `trades` and `quotes` are views.
    var table: String { String(columns.prefix { $0 != " " }) }

    /// The table with its columns, as in COPY.
    var columns: String {
        SinkCatalogue([kind.sink]).sinks[0].copy
            .replacing(" FROM STDIN (FORMAT binary)", with: "").replacing("COPY ", with: "")
    }

    func row(_ rowsPerSecond: Double, _ remark: String = "") -> BenchmarkRow {
        BenchmarkRow(
            "\(database.name), \(kind.sink.rawValue)\(isIndexed ? "" : " without an index"), "
                + "\(perTransaction) a transaction, \(sessions) session(s)\(remark)",
            rowsPerSecond, "rows/s")
    }

    // MARK: ours

    private func ourTurn(_ shares: [[Load]]) throws -> Double {
        let failures = Mutex<[PostgresError]>([])
        let sessions = try shares.map { _ in Box(try database.connect()) }
        let time = seconds {
            DispatchQueue.concurrentPerform(iterations: shares.count) { share in
                do throws(PostgresError) {
                    for load in shares[share] { try transaction(load, sessions[share].value) }
                } catch {
                    failures.withLock { $0.append(error) }
                }
            }
        }
        if let failure = failures.withLock({ $0.first }) { throw failure }
        return time
    }

    // Safety: each session is used by one thread.
    private final class Box: @unchecked Sendable {
        let value: PostgresConnection

        init(_ value: PostgresConnection) { self.value = value }
    }

    func transaction(_ load: Load, _ session: PostgresConnection) throws(PostgresError) {
        let catalogue = SinkCatalogue([kind.sink])
        try session.copyIn(catalogue.sinks[0].copy, after: "BEGIN", timeout: Stage.timeout) {
            row throws(PostgresError) in
            _ = try write(load, catalogue, to: &row)
        }
        try session.script("COMMIT", timeout: Stage.timeout)
    }

    // MARK: psql's

    /// Writes a file of rows for each transaction, and a script that copies them and prints the
    /// time.
    private func script(_ loads: [Load], _ name: String, _ folder: TemporaryFolder) throws -> String
    {
        let catalogue = SinkCatalogue([kind.sink])
        var lines = ["SELECT clock_timestamp() AS started \\gset"]
        for (number, load) in loads.enumerated() {
            var bytes: [UInt8] = []
            var writer = BinaryCopyWriter(operation: "COPY") { bytes += $0.array }
            _ = try write(load, catalogue, to: &writer)
            try writer.finish()
            let path = folder.file("\(name)-\(number)")
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            lines.append("\\copy \(columns) FROM '\(path)' (FORMAT binary)")
        }
        lines.append("SELECT extract(epoch FROM clock_timestamp() - :'started'::timestamptz)")
        return try folder.write(lines.joined(separator: "\n") + "\n", to: "\(name).sql")
    }

    /// Returns the longest time of the scripts that run beside each other.
    private func psqlTurn(_ scripts: [String]) throws -> Double {
        let times = Mutex<[Double]>([])
        DispatchQueue.concurrentPerform(iterations: scripts.count) { share in
            let said = try? database.server.psql(file: scripts[share], database: database.name)
            let time = said?.split(separator: "\n").last.flatMap { Double($0) }
            times.withLock { $0.append(time ?? .infinity) }
        }
        return times.withLock { $0.max() ?? .infinity }
    }
}
