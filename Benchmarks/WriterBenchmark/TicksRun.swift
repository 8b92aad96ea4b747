import BenchmarkRows
internal import Foundation
import Primitives
import ServiceRuntime
import TestSupport

/// Compares trades and quotes from the tape into the database with psql's `\copy` of the same rows.
enum TicksRun {
    /// A long run needs no repetition.
    private static func turns(_ seconds: Double) -> Int { seconds >= 30 ? 1 : 2 }
    /// More than either side is expected to write, so that the tape does not run dry.
    private static let rowsPerSecondMax = 700_000.0
    /// The number of files of rows that `\copy` repeats.
    private static let chunks = 40
    /// The queue as shipped; a larger one; and a larger one with tables without their index.
    enum Setting: String, CaseIterable {
        case shipped
        case large
        case bare

        var keys: [String: String] {
            self == .shipped
                ? [:] : ["WRITER_QUEUE_ROWS": "80000", "WRITER_QUEUE_BYTES": "64MiB"]
        }
    }

    struct Result {
        var rowsPerSecond = 0.0
        var rowsPerTransaction = 0.0
        var processorNanosecondsPerRow = 0.0
        var residentMiB = 0
    }

    static func run(seconds: Double, _ settings: [Setting]) throws -> Bool {
        let ground = try Ground()
        try ground.fill(ticks: Int(seconds * rowsPerSecondMax))
        var isClean = true
        for setting in settings {
            let hasIndex = setting != .bare
            var best = Result()
            var bestCopy = 0.0
            for _ in 0..<turns(seconds) {
                let database = try prepared(ground, hasIndex)
                let ours = try write(database, setting.keys, seconds)
                if ours.rowsPerSecond > best.rowsPerSecond { best = ours }
                let trades = try export(database, Int(ours.rowsPerTransaction))
                try database.drop()
                let rival = try prepared(ground, hasIndex)
                bestCopy = max(bestCopy, try copy(rival, trades, seconds))
                try rival.drop()
            }
            let ratio = best.rowsPerSecond / bestCopy
            print(
                """
                ticks, \(setting): \(Int(best.rowsPerSecond)) rows/s in transactions of \
                \(Int(best.rowsPerTransaction)), \\copy \(Int(bestCopy)) rows/s, ratio \
                \(ratio.formatted(.number.precision(.fractionLength(2)))) (mark \
                \(WriterBenchmark.ticksMark)); \(Int(best.processorNanosecondsPerRow)) ns of the \
                writer per row, \(best.residentMiB) MiB resident
                """)
            BenchmarkRow("ticks to rows, \(setting)", best.rowsPerSecond, "rows/s")
                .beside("psql \\copy", bestCopy).ratio(atLeast: WriterBenchmark.ticksMark).tell()
            BenchmarkRow(
                "writer's processor, \(setting)", best.processorNanosecondsPerRow, "ns/row"
            ).tell()
            isClean = isClean && ratio >= WriterBenchmark.ticksMark
            if setting == .shipped {
                isClean = isClean && best.residentMiB < WriterBenchmark.residentMiBMark
            }
        }
        return isClean
    }

    private static func prepared(_ ground: Ground, _ hasIndex: Bool) throws -> Database {
        let database = try ground.database()
        if !hasIndex {
            try database.psql("DROP INDEX trade_rows_symbol_ts; DROP INDEX quote_rows_symbol_ts")
        }
        return database
    }

    private static func write(
        _ database: Database, _ keys: [String: String], _ seconds: Double
    ) throws -> Result {
        let writer = try WriterRun(database, keys)
        try writer.start(database)
        let clock = SystemClock()
        let begun = clock.monotonic().nanoseconds
        let (rows, batches) = (
            try database.written(), try writer.metric("mds_worker_batches_written_total")
        )
        let processor = try writer.processorSeconds()
        while Double(clock.monotonic().nanoseconds - begun) < seconds * 1e9 { poll(nil, 0, 100) }
        let written = Double(try database.written() - rows)
        let elapsed = Double(clock.monotonic().nanoseconds - begun) / 1e9
        let transactions = try writer.metric("mds_worker_batches_written_total") - batches
        let result = Result(
            rowsPerSecond: written / elapsed, rowsPerTransaction: written / max(1, transactions),
            processorNanosecondsPerRow: (try writer.processorSeconds() - processor) * 1e9 / written,
            residentMiB: try writer.residentMiB())
        try writer.stop()
        return result
    }

    /// Writes rows of the writer's own transactions to files for `\copy`.
    private static func export(_ database: Database, _ rows: Int) throws -> [(String, String)] {
        let half = max(1, rows / 2)
        return try (0..<chunks).map { number in
            let files = (
                database.ground.file("trades-\(number)"), database.ground.file("quotes-\(number)")
            )
            for (table, file) in [("trade_rows", files.0), ("quote_rows", files.1)] {
                // psql writes the files, because the server may not write to this folder.
                try database.ground.postgres.psql(
                    "\\copy (SELECT * FROM md.\(table) OFFSET \(number * half) LIMIT \(half)) "
                        + "TO '\(file)' (FORMAT binary)", database: database.name)
            }
            return files
        }
    }

    /// psql runs a script of transactions until its time is up.
    private static func copy(
        _ database: Database, _ files: [(String, String)], _ seconds: Double
    ) throws -> Double {
        let ground = database.ground
        var script = "SET search_path TO md;\n"
        for (trades, quotes) in files {
            script += """
                BEGIN;
                \\copy trade_rows FROM '\(trades)' (FORMAT binary)
                \\copy quote_rows FROM '\(quotes)' (FORMAT binary)
                COMMIT;

                """
        }
        let path = ground.file("script")
        try script.write(toFile: path, atomically: true, encoding: .utf8)
        let clock = SystemClock()
        let begun = clock.monotonic().nanoseconds
        var elapsed = 0.0
        while elapsed < seconds {
            // One session runs the files many times, so that its start does not matter.
            try ground.postgres.psql(
                file: path, database: database.name)
            elapsed = Double(clock.monotonic().nanoseconds - begun) / 1e9
        }
        let rows = Int(
            try database.psql("SELECT (SELECT count(*) FROM trades) + count(*) FROM quotes"))
        return Double(rows ?? 0) / elapsed
    }
}
