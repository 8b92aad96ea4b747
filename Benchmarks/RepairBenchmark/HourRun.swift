import BenchmarkRows
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// Measures what a repair reads in one of its two passes: one partition's packets from a given time
/// on. Each is proven to be the next one, and every trade is decoded.
struct HourRun {
    private static let secondsMax: Int64 = 120
    private static let repetitions = 3

    private let tape: FilledTape
    private let clock = SystemClock()

    init(_ tape: FilledTape) { self.tape = tape }

    func run() throws {
        let part = tape.packetsPerPartition / Int(FilledTape.hours)
        let middle = part * Int(FilledTape.hours) / 2
        try measure("an hour in the middle", middle..<middle + part)
        try measure("its first hour", 0..<part)
        try measure("all eight hours", 0..<tape.packetsPerPartition)
    }

    private func measure(_ what: String, _ packets: Range<Int>) throws {
        var best = Int64.max
        var trades = 0
        for _ in 0..<Self.repetitions {
            let start = clock.monotonic().nanoseconds
            trades = try read(packets)
            best = min(best, clock.monotonic().nanoseconds - start)
        }
        print(
            "read of one partition, \(what): \(trades) trades in one pass of "
                + "\(RepairBenchmark.seconds(best)) s")
        BenchmarkRow(
            "read of one partition, \(what)", Double(trades) * 1e3 / Double(best), "M trades/s"
        ).tell()
    }

    /// Returns the number of trades in these packets.
    private func read(_ packets: Range<Int>) throws -> Int {
        let client = try tape.client()
        defer { client.close() }
        let mailbox = TapeMailbox(capacity: 16_384)
        client.notify(mailbox)
        let readers = try TapeReaders(client, group: "bench", mailbox: mailbox)
        let partition = FilledTape.watched
        let reader = readers.add(
            TapeReaders.Input(
                partition: partition, stream: tape.names.tickStream(of: partition),
                filters: [tape.names.ticks(partition)]))
        let (first, last) = (
            tape.sequences[packets.lowerBound], tape.sequences[packets.upperBound - 1]
        )
        readers.open(reader, from: .time(tape.publishedAt[packets.lowerBound]))
        defer { readers.close() }
        var (trades, reached) = (0, UInt64(0))
        var events: [TapeEvent] = []
        let start = clock.monotonic().nanoseconds
        while reached < last {
            _ = mailbox.receive(into: &events, max: 256, timeout: .milliseconds(20))
            for event in events {
                guard case .delivery(let message) = event else { continue }
                readers.handle(message) { index, _, packet in
                    guard let sequence = readers.position(index)?.sequence, sequence <= last else {
                        return
                    }
                    reached = sequence
                    if sequence >= first { trades += Self.trades(in: packet) }
                }
            }
            events.removeAll(keepingCapacity: true)
            readers.timePassed()
            guard clock.monotonic().nanoseconds - start < Self.secondsMax * 1_000_000_000 else {
                throw RepairBenchmark.Unusable("the reader does not come to an end")
            }
        }
        return trades
    }

    private static func trades(in packet: NatsMessage) -> Int {
        packet.withPayload { bytes in
            var count = 0
            var cursor = RecordCursor()
            while let record = cursor.next(in: bytes) {
                if case .trade = record { count += 1 }
            }
            return count
        }
    }
}
