import DeploymentWatch
import ServiceRuntime

/// What the doctor knows of this machine.
struct MachineFacts: Equatable, Sendable {
    struct Disk: Equatable, Sendable {
        let path: String
        let freeBytes: UInt64
        let totalBytes: UInt64
        /// How fast what is stored there grows, on average so far. `nil` if it is not known.
        var bytesPerSecond: Double?
    }

    /// A process and how many files it may have open.
    struct OpenFiles: Equatable, Sendable {
        let process: String
        let maximum: UInt64
    }

    var openFiles: [OpenFiles] = []
    var memoryBytes: UInt64 = 0
    var memoryFreeBytes: UInt64 = 0
    var disks: [Disk] = []
    /// How its clock is kept. `nil` if it is not known.
    var clock: KernelClock?
    /// The files of the libraries that this program has loaded.
    var libraries: [String] = []

    static let openFilesMin: UInt64 = 1_024
    static let memoryFreeMin: UInt64 = 256 << 20
    static let diskWarningPercent: UInt64 = 15
    static let diskWrongPercent: UInt64 = 5
    /// From here on, answers about what was known raise (`bars_as_of`).
    static let clockErrorMax: Int64 = 1_000_000

    var findings: [Finding] {
        openFileFindings + memoryFindings + [clockFinding] + disks.map(Self.finding)
            + [
                libraries.isEmpty
                    ? Finding(.unseen, .machine, "the libraries of this program cannot be listed")
                    : Finding(.fine, .machine, "libraries: \(libraries.joined(separator: ", "))")
            ]
    }

    private var openFileFindings: [Finding] {
        guard let least = openFiles.map(\.maximum).min() else {
            return [Finding(.unseen, .machine, "the limit of open files cannot be read")]
        }
        let short = openFiles.filter { $0.maximum < Self.openFilesMin }
        guard short.isEmpty else {
            let list = short.map { "\($0.process) \($0.maximum)" }.joined(separator: ", ")
            return [
                Finding(
                    .warning, .machine, "processes may open few files: \(list)",
                    "raise the limit to \(Self.openFilesMin) at least (ulimit -n, LimitNOFILE=)")
            ]
        }
        let who = openFiles.count == 1 ? "a process" : "each of \(openFiles.count) processes"
        return [Finding(.fine, .machine, "\(who) may open \(least) files")]
    }

    private var memoryFindings: [Finding] {
        guard memoryBytes > 0 else {
            return [Finding(.unseen, .machine, "the memory of this machine cannot be read")]
        }
        let text =
            "\(TapeReport.bytes(memoryFreeBytes)) of \(TapeReport.bytes(memoryBytes)) memory are "
            + "available"
        guard memoryFreeBytes < Self.memoryFreeMin else {
            return [Finding(.fine, .machine, text)]
        }
        return [
            Finding(
                .warning, .machine, text,
                "end other programs or add memory, before the kernel kills a process")
        ]
    }

    private var clockFinding: Finding {
        guard let clock else {
            return Finding(
                .unseen, .machine, "the kernel does not say how the clock of this machine is kept")
        }
        let advice =
            "run chrony or systemd-timesyncd: clocks that are all behind show nowhere else, and "
            + "answers about what was known at a time follow them"
        guard clock.isKept else {
            return Finding(
                .warning, .machine, "no time service keeps the clock of this machine", advice)
        }
        let error = "\((clock.errorMicroseconds + 999) / 1_000) ms"
        guard clock.errorMicroseconds <= Self.clockErrorMax else {
            return Finding(
                .warning, .machine, "the clock of this machine may be wrong by \(error)", advice)
        }
        return Finding(
            .fine, .machine, "a time service keeps the clock of this machine, within \(error)")
    }

    private static func finding(_ disk: Disk) -> Finding {
        let percent = Room.percent(free: disk.freeBytes, of: disk.totalBytes)
        var text = "\(percent) % of the disk of \(disk.path) are free"
        text += ", \(TapeReport.bytes(disk.freeBytes))"
        text += Room.time(
            free: disk.freeBytes, bytesPerSecond: disk.bytesPerSecond,
            then: "nothing more is stored there")
        guard percent < diskWarningPercent else { return Finding(.fine, .machine, text) }
        return Finding(
            percent < diskWrongPercent ? .wrong : .warning, .machine, text,
            "make room there, keep rows for a shorter time (WRITER_RETENTION), or add disk",
            runbook: "Disk")
    }
}

/// Arithmetic on room that is left.
enum Room {
    static func percent(free: UInt64, of total: UInt64) -> UInt64 {
        guard total > 0 else { return 0 }
        return UInt64(min(100, Double(free) / Double(total) * 100))
    }

    /// Returns ", full in about …, after which …" if the growth is known.
    static func time(free: UInt64, bytesPerSecond: Double?, then: String) -> String {
        guard let rate = bytesPerSecond, rate > 0 else { return "" }
        let span = SpanText.of(Double(free) / rate)
        return ", full in about \(span) at the average rate so far, after which \(then)"
    }
}
