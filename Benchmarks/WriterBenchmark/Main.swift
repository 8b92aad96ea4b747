import BenchmarkRows
internal import Glibc

/// Measures the shipped store writer between a real nats-server and a real PostgreSQL that syncs to
/// disk, all on this machine. Fails if a mark is missed.
///
///     WriterBenchmark [ticks [SECONDS] [shipped] [large] [bare]] [bars [SECONDS]]
///
/// - ticks: trades and quotes from a full tape as fast as possible, in turns with `\copy` of the
///   same
///   rows in the same transactions into the same tables by psql.
/// - bars: 11,000 bars a second; then the database stands still for ten seconds.
@main
struct WriterBenchmark {
    /// The least rate, as a share of that of `\copy`.
    static let ticksMark = 0.8
    static let residentMiBMark = 64
    static let stalledMiBMark = 300

    static func main() {
        do {
            try measure()
        } catch {
            print("failed: \(error)")
            exit(1)
        }
    }

    private static func measure() throws {
        var words = BenchmarkRow.words
        if words.isEmpty { words = ["ticks", "bars"] }
        var isClean = true
        var index = 0
        while index < words.count {
            let seconds = index + 1 < words.count ? Int(words[index + 1]) : nil
            switch words[index] {
            case "ticks":
                let behind = words.dropFirst(index + (seconds == nil ? 1 : 2))
                let kinds = behind.prefix { TicksRun.Setting(rawValue: $0) != nil }
                let settings = kinds.compactMap { TicksRun.Setting(rawValue: $0) }
                isClean =
                    try TicksRun.run(
                        seconds: Double(seconds ?? 10),
                        settings.isEmpty ? TicksRun.Setting.allCases : settings) && isClean
                index += kinds.count
            case "bars": isClean = try BarsRun.run(seconds: Double(seconds ?? 10)) && isClean
            default:
                print("there is no \(words[index]): ticks, bars, each with seconds")
                exit(64)
            }
            index += seconds == nil ? 1 : 2
        }
        guard isClean else {
            print("failed: a mark is missed")
            exit(1)
        }
    }
}
