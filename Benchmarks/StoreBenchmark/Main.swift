import BenchmarkRows
import Glibc

/// Measures the cost of storing: rows alone, our client against psql, and keyed rows against plain
/// ones. And that of reading rows into frames, against psql, and of our clients of ClickHouse and
/// QuestDB, against those of PyPI.
///
///     StoreBenchmark [rows] [copy] [bars] [frames] [clients]
///
/// Fails if a row takes longer than its mark, if our client or frames fall below 0.8 of psql, or
/// bars below 0.5 of a plain COPY, or if those clients take more than 0.5 of the others' time.
@main
struct StoreBenchmark {
    static func main() {
        let wanted = BenchmarkRow.words
        func isWanted(_ part: String) -> Bool { wanted.isEmpty || wanted.contains(part) }
        var isGood = true
        do {
            if isWanted("rows") { isGood = try rows() && isGood }
            if ["copy", "bars", "frames"].contains(where: isWanted) {
                let stage = try Stage()
                for isTimescale in [false, true] {
                    let database = try stage.database(
                        isTimescale ? "hypertables" : "plain", timescale: isTimescale)
                    if isWanted("copy") { isGood = try copy(database) && isGood }
                    if isWanted("bars") { isGood = try bars(database) && isGood }
                    if isWanted("frames") { isGood = try frames(database) && isGood }
                }
            }
            // The last: from here on this process has one core.
            if isWanted("clients") { isGood = try ClientFront.run() && isGood }
        } catch {
            print("failed: \(error)")
            exit(1)
        }
        guard isGood else {
            print("failed: a mark was missed")
            exit(1)
        }
    }

    private static func rows() throws -> Bool {
        var isGood = true
        for kind in Load.Kind.allCases {
            for perPacket in [8, 512] {
                isGood = try RowRun(kind: kind, perPacket: perPacket).run() && isGood
            }
        }
        return isGood
    }

    private static func copy(_ database: Stage.Database) throws -> Bool {
        var isGood = true
        for kind in [Load.Kind.trades, .quotes] {
            for (size, sessions) in [(20_000, 1), (5_000, 1), (20_000, 2)] {
                var run = CopyRun(
                    database: database, kind: kind, perTransaction: size, sessions: sessions)
                run.isBesidePsycopg = (kind, size, sessions) == (.trades, 20_000, 1)
                isGood = try run.run() && isGood
            }
        }
        let bare = CopyRun(
            database: database, kind: .trades, perTransaction: 20_000, sessions: 1,
            isIndexed: false)
        return try bare.run() && isGood
    }

    private static func frames(_ database: Stage.Database) throws -> Bool {
        let runs = [Load.Kind.trades, .quotes].map { FrameRun(database: database, kind: $0) }
        return try runs.reduce(true) { try $1.run() && $0 }
    }

    private static func bars(_ database: Stage.Database) throws -> Bool {
        var isGood = true
        for size in [5_000, 20_000] {
            for revised in [0, 100] {
                let run = BarRun(database: database, perTransaction: size, revised: revised)
                isGood = try run.run() && isGood
            }
        }
        return isGood
    }
}
