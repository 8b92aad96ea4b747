import BenchmarkRows
import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec

/// Measures milliseconds of processor time to encode and restore the state of a big partition:
/// three series of 10,000 symbols.
struct RestoreRun {
    static let symbols = 10_000
    /// A packet defines at most 1,024 symbols. This many packets contain nearly every symbol.
    static let packets = 200
    static let repetitions = 9
    static let millisecondsMax = 50.0

    static func run(_ report: inout Report) throws {
        let load = try Load(symbols: symbols, packets: packets)
        let program = try OperatorBenchmark.program(["1s", "1m", "1h"])
        var machine = GraphMachine(program)
        var output = GraphOutput()
        for packet in load.packets {
            packet.withBytes { _ = machine.take(packet.header, $0, into: &output) }
        }
        guard machine.symbols.count == symbols else { throw OperatorBenchmark.Unusable() }
        let times = try SnapshotTimes(of: repetitions) { bytes in
            machine.encode(into: &bytes)
        } restore: { bytes in
            try bytes.withRawSpan { span throws(CheckpointError) in
                try GraphMachine(program, restoring: span)
            }
        } check: { restored in
            guard restored.openWindows == machine.openWindows else {
                throw OperatorBenchmark.Unusable()
            }
        }
        let milliseconds = times.restore / Duration.milliseconds(1)
        print(
            "state of \(symbols) symbols, \(machine.openWindows) open windows: \(times.bytes) "
                + "bytes, encode \(report.tenths(times.encode / Duration.milliseconds(1))) ms, "
                + "restore \(report.tenths(milliseconds)) ms")
        BenchmarkRow("restore the state of \(symbols) symbols", milliseconds, "ms")
            .atMost(millisecondsMax).tell()
        if milliseconds > millisecondsMax {
            report.fail("a state takes more than \(Int(millisecondsMax)) ms to restore")
        }
    }
}
