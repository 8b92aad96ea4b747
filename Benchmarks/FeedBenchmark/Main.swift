import BenchmarkRows
internal import CAllocationCounter
internal import Foundation
import MarketModel
import Primitives
import TestSupport

/// Measures messages per second of one core, from the bytes of trades to records of the tape, of
/// each service: `FeedBenchmark [trades | stocks | socket]`. Fails if a message allocates or is
/// slow. In turns with it, orjson parses the same messages, and Python makes the same exact record
/// of each.
@main
struct FeedBenchmark {
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
        let wanted = BenchmarkRow.words.first
        var isGood = true
        if wanted == nil || wanted == BinanceMessages.name {
            isGood = try run(BinanceMessages.self) && isGood
        }
        if wanted == nil || wanted == AlpacaMessages.name {
            isGood = try run(AlpacaMessages.self) && isGood
        }
        if wanted == nil || wanted == "socket" { isGood = try SocketRun.run() && isGood }
        guard isGood else {
            print(
                "failed: something allocates, or falls below \(leastMillions) M messages/s, "
                    + "\(leastRatio) times orjson or 20 times python-binance")
            exit(1)
        }
    }

    /// Returns whether a service's messages keep the marks.
    static func run<Feed: MeasuredFeed>(_: Feed.Type) throws -> Bool {
        let messages = Feed(count: messagesPerRun)
        var result = try measure(messages)
        let isFast = try compare(messages, &result)
        let millions = 1_000 / result.nanoseconds
        print(
            "\(Feed.title): \(rounded(millions)) M messages/s "
                + "(\(Int(result.nanoseconds.rounded())) ns), "
                + "\(messages.bytes.count / messagesPerRun) bytes each, "
                + "allocations \(result.allocations) in \(messagesPerRun)")
        BenchmarkRow("\(Feed.name) to records", millions, "M messages/s").atLeast(leastMillions)
            .tell()
        return isFast && result.allocations == 0 && millions >= leastMillions
    }

    static func rounded(_ value: Double) -> Double { Double(Int(value * 100)) / 100 }

    /// Returns whether ours is fast enough beside orjson, by the best turn of each. Adds our turns
    /// to the result.
    static func compare<Feed: MeasuredFeed>(
        _ messages: Feed, _ result: inout Result
    ) throws -> Bool {
        let folder = try TemporaryFolder("messages")
        try Data(messages.bytes).write(to: URL(fileURLWithPath: folder.file("messages")))
        var theirs = Double.infinity
        var ours = Double.infinity
        for _ in 0..<turns {
            guard let nanoseconds = try orjson(Feed.name, folder.file("messages")) else {
                return true
            }
            theirs = min(theirs, nanoseconds)
            let turn = try measure(messages)
            ours = min(ours, turn.nanoseconds)
            result.add(turn)
        }
        print(
            "in turns, best of \(turns): ours \(rounded(1_000 / ours)), orjson with exact decimals "
                + "\(rounded(1_000 / theirs)) M messages/s: \(rounded(theirs / ours)) times")
        BenchmarkRow("\(Feed.name) beside orjson", 1_000 / ours, "M messages/s")
            .beside("orjson", 1_000 / theirs).ratio(atLeast: leastRatio).tell()
        return theirs / ours >= leastRatio
    }

    /// Returns the processor time of a message in nanoseconds; `nil`, with a message, where the
    /// packages are not available.
    static func orjson(_ name: String, _ path: String) throws -> Double? {
        let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        do {
            let answer = try TestSupport.run(
                "/bin/bash",
                [
                    "\(ServerPrograms.checkout)/deploy/local/engines.sh", "--of", "json-parsers",
                    here.appendingPathComponent("parse_orjson.py").path, name,
                    path,
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

        /// Keeps the better time: other programs of the machine only make a run slower.
        mutating func add(_ other: Result) {
            nanoseconds = min(nanoseconds, other.nanoseconds)
            allocations += other.allocations
        }
    }

    static func measure<Feed: MeasuredFeed>(_ messages: Feed) throws -> Result {
        var result = Result()
        for repetition in 0..<repetitions {
            var machine = messages.connected()
            let before = allocations_of_this_thread()
            let start = processorTime()
            let count = messages.drive(&machine, perTurn: messagesPerTurn)
            let spent = processorTime() - start
            result.nanoseconds = min(
                result.nanoseconds, spent / .nanoseconds(1) / Double(messagesPerRun))
            // In the first repetition what is made once is made.
            if repetition > 0 { result.allocations += allocations_of_this_thread() - before }
            guard count == messagesPerRun else { throw Unusable() }
        }
        return result
    }
}
