import BenchmarkRows
internal import Foundation
internal import Glibc
import ServiceRuntime
import TestSupport

/// Compares the decoder library with a plain loop in C over the same recordings (`CBareColumns`),
/// and with a pull of the same packets of a real nats-server that only counts them (`CBareTape`).
/// The programs run in turns, and each runs twice in a turn, so that the run shows its own noise.
/// `polars` has the Python package make a frame of a recording, and measures its time and memory.
/// Fails if a mark is missed, or if the columns are not the same.
///
///     ColumnBenchmark [recording] [memory] [tape] [polars]
///     ColumnBenchmark polars MILLIONS
///     ColumnBenchmark drain FILE
@main
struct ColumnBenchmark {
    /// Of the plain loop in C, by ticks a packet: short packets are mostly definitions of symbols.
    static let recordingMarks = [1_024: 0.5, 32: 0.4]
    /// Millions of ticks a second of short packets, by the clock, on a machine with two cores. More
    /// are not used.
    static let elapsedMark = 25.0
    static let tapeMark = 0.9
    static let firstBatchMark = 50.0
    static let memoryMark = 300.0
    /// Three times the ticks may not need more memory than this.
    static let growthMark = 1.1

    private static let ticks = 2_000_000
    private static let turns = 7
    private static let tapeTurns = 4
    /// Millions of ticks: reading the most of them takes as much memory as reading the least.
    private static let sizes = [10, 30]
    private static let tapePackets = [1_024: 8_000, 32: 60_000]
    /// Millions of ticks of a frame.
    private static let frameMillions = 30

    static func main() throws {
        let words = BenchmarkRow.words
        if words.first == "drain", words.count == 2 { return try drain(words[1]) }
        if words.first == "polars", words.count == 2, let millions = Int(words[1]) {
            exit(try PolarsRun(millions: max(1, millions)).measure() ? 0 : 1)
        }
        let parts = words.isEmpty ? ["recording", "memory", "tape", "polars"] : words
        var isClean = true
        for part in parts {
            switch part {
            case "recording":
                for ticks in [1_024, 32] { isClean = try recording(ticks) && isClean }
            case "memory":
                isClean = isFlat("peak memory", try recordingPeaks()) && isClean
                isClean = isFlat("peak memory of a tape", try tapePeaks()) && isClean
            case "tape":
                for ticks in [1_024, 32] { isClean = try tape(ticks) && isClean }
            case "polars":
                isClean = try PolarsRun(millions: frameMillions).measure() && isClean
            default:
                print("usage: ColumnBenchmark [recording] [memory] [tape] [polars]")
                exit(64)
            }
        }
        guard isClean else {
            print("failed: a mark is missed")
            exit(1)
        }
    }

    // MARK: recordings

    private static func recording(_ ticksOfPacket: Int) throws -> Bool {
        let folder = try TemporaryFolder("columns")
        let path = folder.file("day.tape")
        let ticks = try Market.record(path, ticks: ticks, ticksOfPacket: ticksOfPacket)
        try areSame(path)
        var (ours, bare, elapsed) = (Turns(), Turns(), Turns())
        var first = 0.0
        for _ in 0..<turns {
            try bare.add(reading: { try BareReading.drain(path, &$0) })
            try ours.add(reading: { try LibraryReading.drain(path, &$0) })
            try elapsed.add(
                reading: { try LibraryReading.drain(path, &$0) }, by: CLOCK_MONOTONIC)
            first = max(first, try firstBatch(path))
        }
        let name = "recording to Arrow, \(ticksOfPacket) ticks a packet"
        let mark = recordingMarks[ticksOfPacket] ?? 0
        let rate = Double(ticks) / ours.best / 1e6
        let bareRate = Double(ticks) / bare.best / 1e6
        print(
            "\(name): \(two(rate)) M ticks/s, plain loop in C \(two(bareRate)), ratio "
                + "\(two(rate / bareRate)) (noise: ours \(two(ours.noise)), C \(two(bare.noise)))")
        let elapsedRate = Double(ticks) / elapsed.best / 1e6
        print(
            "  by the clock \(two(elapsedRate)) M ticks/s (noise \(two(elapsed.noise))), "
                + "the first batch after \(two(first)) ms at most")
        BenchmarkRow(name, rate, "M ticks/s").beside("plain loop in C", bareRate)
            .ratio(atLeast: mark).tell()
        let isShort = ticksOfPacket == 32
        BenchmarkRow("\(name), by the clock", elapsedRate, "M ticks/s")
            .atLeast(isShort ? elapsedMark : nil).tell()
        BenchmarkRow("\(name), first batch", first, "ms").atMost(firstBatchMark).tell()
        return rate / bareRate >= mark && first <= firstBatchMark
            && (!isShort || elapsedRate >= elapsedMark)
    }

    /// Milliseconds from opening the recording to its first batch.
    private static func firstBatch(_ path: String) throws -> Double {
        let start = ContinuousClock.now
        var sums: Sums?
        _ = try LibraryReading(path).next(&sums)
        return (ContinuousClock.now - start) / .milliseconds(1)
    }

    private static func areSame(_ path: String) throws {
        var (ours, bare): (Sums?, Sums?) = (Sums(), Sums())
        _ = try LibraryReading.drain(path, &ours)
        _ = try BareReading.drain(path, &bare)
        guard ours == bare else {
            print("failed: the columns are not the same: \(ours as Any), \(bare as Any)")
            exit(1)
        }
    }

    // MARK: memory

    /// MB of a process that reads a recording, by its millions of ticks.
    private static func recordingPeaks() throws -> [Double] {
        let folder = try TemporaryFolder("columns")
        return try sizes.map { millions in
            let path = folder.file("\(millions).tape")
            _ = try Market.record(path, ticks: millions * 1_000_000, ticksOfPacket: 1_024)
            let said = try TestSupport.run(
                try ProductPrograms.path("ColumnBenchmark"), ["drain", path])
            guard let peak = Double(said), unsafe unlink(path) == 0 else { throw Unusable(said) }
            return peak
        }
    }

    /// MB above the start of a Python process that reads a tape.
    private static func tapePeaks() throws -> [Double] {
        let folder = try TemporaryFolder("columns")
        let reader = try PackageReader(library: try TapeRun.library(in: folder), in: folder)
        var run = try TapeRun(ticksOfPacket: 1_024)
        return try sizes.map { millions in
            try run.publish(millions * 1_000_000 / 1_024 - run.packets)
            return try run.peak(reader)
        }
    }

    private static func isFlat(_ name: String, _ peaks: [Double]) -> Bool {
        for (millions, peak) in zip(sizes, peaks) {
            print("\(name), \(millions) M ticks: \(two(peak)) MB")
        }
        BenchmarkRow("\(name), \(sizes[0]) M ticks", peaks[0], "MB").atMost(memoryMark).tell()
        BenchmarkRow("\(name), \(sizes[1]) M ticks", peaks[1], "MB")
            .beside("\(sizes[0]) M ticks", peaks[0]).ratio(atMost: growthMark).tell()
        return peaks.allSatisfy { $0 <= memoryMark } && peaks[1] <= peaks[0] * growthMark
    }

    /// Reads a recording and prints the peak of this process in MB.
    private static func drain(_ path: String) throws {
        var sums: Sums?
        _ = try LibraryReading.drain(path, &sums)
        // `getrusage` would count what the parent had before this program began.
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let peak = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        guard let kilobytes = peak?.split(separator: " ").dropLast().last.flatMap({ Double($0) })
        else { throw Unusable("no memory is reported") }
        print(two(kilobytes / 1_024))
    }

    // MARK: tape

    private static func tape(_ ticksOfPacket: Int) throws -> Bool {
        let folder = try TemporaryFolder("columns")
        let library = try TapeRun.library(in: folder)
        var run = try TapeRun(ticksOfPacket: ticksOfPacket)
        try run.publish(tapePackets[ticksOfPacket] ?? 0)
        var (ours, bare) = (Turns(), Turns())
        for _ in 0..<tapeTurns {
            try bare.add(rate: { try run.read(library: nil) })
            try ours.add(rate: { try run.read(library: library) })
        }
        let name = "tape to Arrow, \(ticksOfPacket) ticks a packet"
        let (rate, bareRate) = (1 / ours.best, 1 / bare.best)
        print(
            "\(name): \(Int(rate)) packets/s, bare pull \(Int(bareRate)), ratio "
                + "\(two(rate / bareRate)) "
                + "(noise: ours \(two(ours.noise)), bare \(two(bare.noise)))"
        )
        BenchmarkRow(name, rate, "packets/s").beside("pull by libnats in C", bareRate)
            .ratio(atLeast: tapeMark).tell()
        return rate / bareRate >= tapeMark
    }

    static func two(_ value: Double) -> String {
        let scaled = Int((value * 100).rounded())
        return "\(scaled / 100).\(scaled % 100 < 10 ? "0" : "")\(scaled % 100)"
    }
}

/// The seconds of one program in all turns. It runs twice in each.
struct Turns {
    private var first = Double.infinity
    private var second = Double.infinity

    var best: Double { min(first, second) }
    /// The ratio of the same program against itself.
    var noise: Double { first / second }

    private mutating func add(seconds: () throws -> Double) rethrows {
        first = min(first, try seconds())
        second = min(second, try seconds())
    }

    /// Adds the time of a clock. By default it is the processor time of this process, including the
    /// library's thread, so that other processes do not matter.
    mutating func add(
        reading body: (inout Sums?) throws -> Int, by clock: clockid_t = CLOCK_PROCESS_CPUTIME_ID
    ) throws {
        try add(seconds: {
            var sums: Sums?
            let start = Self.seconds(of: clock)
            _ = try body(&sums)
            return Self.seconds(of: clock) - start
        })
    }

    mutating func add(rate: () throws -> Double) rethrows {
        try add(seconds: { 1 / (try rate()) })
    }

    private static func seconds(of clock: clockid_t) -> Double {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
