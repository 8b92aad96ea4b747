import BenchmarkRows
import MarketModel
import Primitives
import StreamCore

/// Measures milliseconds of processor time to encode and restore the state of a big partition, with
/// every window of every symbol open.
struct SnapshotRun {
    static let symbolCount = 10_000
    static let series = ["1s", "1m", "1h"]
    static let repetitions = 9

    static func run() throws {
        let series = try BarSeriesSet(Self.series)
        let (machine, tables) = try filled(series)
        let times = try SnapshotTimes(of: repetitions) { bytes in
            machine.encode(tables, into: &bytes)
        } restore: { bytes in
            try bytes.withRawSpan { span throws(CheckpointError) in
                try BarMachine(rule: machine.rule, calendar: nil, restoring: span, tables)
            }
        } check: { restored in
            guard restored.openWindows == symbolCount * Self.series.count else {
                throw StreamCoreBenchmark.Unusable()
            }
        }
        print(
            "snapshot, \(symbolCount) symbols, \(Self.series.count) series: \(times.bytes) bytes, "
                + "encode \(milliseconds(times.encode)) ms, "
                + "restore \(milliseconds(times.restore)) ms"
        )
        for (what, time) in [("encode", times.encode), ("restore", times.restore)] {
            BenchmarkRow(
                "snapshot of \(symbolCount) symbols, \(what)", time / Duration.milliseconds(1), "ms"
            ).tell()
        }
    }

    static func milliseconds(_ duration: Duration) -> String {
        let hundredths = Int(duration / Duration.microseconds(10))
        return "\(hundredths / 100).\(hundredths / 10 % 10)\(hundredths % 10)"
    }

    private static func filled(
        _ series: BarSeriesSet
    ) throws -> (machine: BarMachine, tables: PartitionTables) {
        var machine = BarMachine(series: series)
        var tables = PartitionTables()
        let source = try machine.define(symbolCount, in: &tables)
        for number in 0..<symbolCount {
            let time = Timestamp(nanoseconds: 1_700_000_000_000_000_000 + Int64(number))
            machine.trade(
                Trade(
                    header: TickHeader(
                        symbol: UInt32(number), providerTime: time, receiveTime: time),
                    price: Price(raw: 100_000_000_000), size: Quantity(raw: 100_000_000)),
                source: source, ordinal: UInt64(number + 1), tables)
        }
        return (machine, tables)
    }
}
