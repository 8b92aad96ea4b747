import BenchmarkRows
import BinanceEngine
internal import CAllocationCounter
internal import Foundation
import MarketModel
import Primitives
import TestSupport

/// Measures messages per second of one core, from the bytes of the exchange's trades to records of
/// the tape with their ids checked. Fails if a message allocates or is slow. In turns with it,
/// orjson parses the same messages, and Python makes the same exact record of each.
@main
struct BinanceBenchmark {
    static let messagesPerRun = 500_000
    static let repetitions = 5
    static let turns = 3
    /// The messages of one turn of the provider's thread.
    static let messagesPerTurn = 64
    /// Below this many millions a second on one core, or this many times as fast as Python with
    /// orjson, something is wrong.
    static let leastMillions = 1.5
    static let leastRatio = 3.0
    /// The status by which `engines.sh` reports that the packages are not available.
    static let absent: Int32 = 3

    struct Unusable: Error {}

    static func main() throws {
        let messages = Messages(symbols: 100, count: messagesPerRun)
        let result = try measure(messages)
        let millions = 1_000 / result.nanoseconds
        print(
            "trades to records: \(rounded(millions)) M messages/s "
                + "(\(Int(result.nanoseconds.rounded())) ns), "
                + "\(messages.bytes.count / messagesPerRun) bytes each, "
                + "allocations \(result.allocations) in \(messagesPerRun)")
        BenchmarkRow("trades to records", millions, "M messages/s").atLeast(leastMillions).tell()
        let isClean = result.allocations == 0 && millions >= leastMillions
        guard try compare(messages), isClean else {
            print(
                "failed: something allocates, or falls below \(leastMillions) M messages/s or "
                    + "\(leastRatio) times orjson")
            exit(1)
        }
    }

    static func rounded(_ value: Double) -> Double { Double(Int(value * 100)) / 100 }

    /// Returns whether ours is fast enough beside orjson, by the best turn of each.
    static func compare(_ messages: Messages) throws -> Bool {
        let folder = try TemporaryFolder("messages")
        try Data(messages.bytes).write(to: URL(fileURLWithPath: folder.file("messages")))
        var theirs = Double.infinity
        var ours = Double.infinity
        for _ in 0..<turns {
            guard let nanoseconds = try orjson(folder.file("messages")) else { return true }
            theirs = min(theirs, nanoseconds)
            ours = min(ours, try measure(messages).nanoseconds)
        }
        print(
            "in turns, best of \(turns): ours \(rounded(1_000 / ours)), orjson with exact decimals "
                + "\(rounded(1_000 / theirs)) M messages/s: \(rounded(theirs / ours)) times")
        BenchmarkRow("trades beside orjson", 1_000 / ours, "M messages/s")
            .beside("orjson", 1_000 / theirs).ratio(atLeast: leastRatio).tell()
        return theirs / ours >= leastRatio
    }

    /// Returns the processor time of a message in nanoseconds; `nil`, with a message, where the
    /// packages are not available.
    static func orjson(_ path: String) throws -> Double? {
        let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        do {
            let answer = try TestSupport.run(
                "/bin/bash",
                [
                    "\(ServerPrograms.checkout)/deploy/local/engines.sh", "--of", "json-parsers",
                    here.appendingPathComponent("parse_orjson.py").path, path,
                ], environment: ["PYTHONDONTWRITEBYTECODE": "1"])
            let words = answer.split(separator: " ").compactMap { Double($0) }
            guard words.count == 2, Int(words[0]) == messagesPerRun else { throw Unusable() }
            return words[1] / words[0]
        } catch let failure as ProgramFailure where failure.status == absent {
            print("orjson was not measured: \(failure.message)")
            return nil
        }
    }

    struct Result {
        var nanoseconds = Double.infinity
        var allocations: UInt64 = 0
    }

    static func measure(_ messages: Messages) throws -> Result {
        var result = Result()
        for repetition in 0..<repetitions {
            var (engine, out) = messages.connected()
            let before = allocations_of_this_thread()
            let start = processorTime()
            let count = messages.drive(&engine, &out, perTurn: messagesPerTurn)
            let spent = processorTime() - start
            result.nanoseconds = min(
                result.nanoseconds, spent / .nanoseconds(1) / Double(messagesPerRun))
            // In the first repetition what is made once is made.
            if repetition > 0 { result.allocations += allocations_of_this_thread() - before }
            guard count == messagesPerRun, engine.counters.missing == 0 else { throw Unusable() }
        }
        return result
    }

    /// Counts only this thread, so other processes of a shared machine do not matter.
    static func processorTime() -> Duration {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
