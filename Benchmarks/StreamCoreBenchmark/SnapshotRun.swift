import MarketModel
import Primitives
import StreamCore

/// Milliseconds of processor time to encode and restore the state of a big partition: every window
/// of every symbol open.
struct SnapshotRun {
    static let symbolCount = 10_000
    static let series = ["1s", "1m", "1h"]
    static let repetitions = 9

    static func run() throws {
        let series = try BarSeriesSet(Self.series)
        let machine = try filled(series)
        var encode = Duration.seconds(60)
        var restore = Duration.seconds(60)
        var bytes: [UInt8] = []
        for _ in 0..<repetitions {
            bytes.removeAll(keepingCapacity: true)
            let start = StreamCoreBenchmark.processorTime()
            machine.encode(into: &bytes)
            let encoded = StreamCoreBenchmark.processorTime()
            let restored = try bytes.withRawSpan { span throws(CheckpointError) in
                try BarMachine(series: series, restoring: span)
            }
            restore = min(restore, StreamCoreBenchmark.processorTime() - encoded)
            encode = min(encode, encoded - start)
            guard restored.openWindows == symbolCount * Self.series.count else {
                throw StreamCoreBenchmark.Unusable()
            }
        }
        print(
            "snapshot, \(symbolCount) symbols, \(Self.series.count) series: \(bytes.count) bytes, "
                + "encode \(milliseconds(encode)) ms, restore \(milliseconds(restore)) ms")
    }

    static func milliseconds(_ duration: Duration) -> String {
        let hundredths = Int(duration / Duration.microseconds(10))
        return "\(hundredths / 100).\(hundredths / 10 % 10)\(hundredths % 10)"
    }

    private static func filled(_ series: BarSeriesSet) throws -> BarMachine {
        var machine = BarMachine(series: series)
        guard let name = SourceName("synthetic"),
            let source = machine.source(name, firstSeen: .undefined)
        else { throw StreamCoreBenchmark.Unusable() }
        for number in 0..<symbolCount {
            guard let symbol = Symbol("SYM\(number)"),
                let index = machine.symbol(
                    Subscription(symbol: symbol, provider: "synthetic", since: .undefined),
                    source: source)
            else { throw StreamCoreBenchmark.Unusable() }
            let time = Timestamp(nanoseconds: 1_700_000_000_000_000_000 + Int64(number))
            machine.trade(
                Trade(
                    header: TickHeader(symbol: index, providerTime: time, receiveTime: time),
                    price: Price(raw: 100_000_000_000), size: Quantity(raw: 100_000_000)),
                source: source, ordinal: UInt64(number + 1))
        }
        return machine
    }
}
