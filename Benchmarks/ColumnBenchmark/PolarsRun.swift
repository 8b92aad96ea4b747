import BenchmarkRows
internal import Glibc
import TestSupport

/// Has the Python package make a frame of polars of a recording: all trades with all their columns,
/// in the order of the file.
struct PolarsRun {
    /// Millions of ticks a second, on a machine with two cores. More cores are used, too.
    private static let mark = 25.0
    private static let ticksOfPacket = 32
    private static let turns = 3
    /// The status by which `engines.sh` reports that the packages are not available.
    private static let absent: Int32 = 3

    let millions: Int

    /// Returns whether the mark was reached. Without polars nothing is measured.
    func measure() throws -> Bool {
        let folder = try TemporaryFolder("columns")
        let path = folder.file("day.tape")
        let ticks = try Market.record(
            path, ticks: millions * 1_000_000, ticksOfPacket: Self.ticksOfPacket)
        // What is still to be written would take a part of the processor.
        sync()
        let reader = try PackageReader(library: try TapeRun.library(in: folder), in: folder)
        var (best, peak) = (Double.infinity, 0.0)
        do {
            for _ in 0..<Self.turns {
                let frame = try reader.frame(path)
                guard frame.rows == ticks else {
                    throw Unusable("the frame has \(frame.rows) of \(ticks) rows")
                }
                best = min(best, frame.seconds)
                peak = max(peak, frame.megabytes)
            }
        } catch let failure as ProgramFailure where failure.status == Self.absent {
            print("no frame was made: \(failure.message)")
            return true
        }
        let name = "recording to polars, \(Self.ticksOfPacket) ticks a packet"
        let rate = Double(ticks) / best / 1e6
        let bytes = peak * 1_048_576 / Double(ticks)
        print(
            "\(name): \(ticks) ticks in \(ColumnBenchmark.two(best)) s, "
                + "\(ColumnBenchmark.two(rate)) M ticks/s, "
                + "at most \(ColumnBenchmark.two(peak)) MB, "
                + "\(ColumnBenchmark.two(bytes)) bytes a tick")
        BenchmarkRow(name, rate, "M ticks/s").atLeast(Self.mark).tell()
        BenchmarkRow("\(name), peak memory", bytes, "bytes/tick").tell()
        return rate >= Self.mark
    }
}
