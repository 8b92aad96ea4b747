import BenchmarkRows
internal import Glibc
import Primitives

/// The turns of one load, with one copy and with three, by both programs.
struct CopiesReport {
    enum Program: String, CaseIterable {
        case tape
        case bare = "libnats"
    }

    /// A figure of a turn.
    private typealias Figure = KeyPath<RunResult, Double>

    let load: CopiesRun.Load
    let syncInterval: String
    let packetBytes: Int
    private var turns: [Int: [Program: [RunResult]]] = [:]

    init(load: CopiesRun.Load, syncInterval: String, packetBytes: Int) {
        (self.load, self.syncInterval) = (load, syncInterval)
        self.packetBytes = packetBytes
    }

    mutating func add(_ result: RunResult, _ copies: Int, _ program: Program) {
        turns[copies, default: [:]][program, default: []].append(result)
    }

    private func values(_ figure: Figure, _ copies: Int, _ program: Program) -> [Double] {
        (turns[copies]?[program] ?? []).map { $0[keyPath: figure] }
    }

    // MARK: for people

    func tell() {
        print("\(load.text), \(packetBytes) bytes, sync \(syncInterval)")
        print("  copies by       packets/s     MB/s   p50 us   p99 us   max us  packets/s from, to")
        for copies in CopiesGround.copies {
            for program in Program.allCases { print(line(copies, program)) }
        }
        for (figure, name) in ratios {
            let ofBare = CopiesGround.copies.map { copies in
                let bare = values(figure, copies, .bare)
                let ratio = Spread(values(figure, copies, .tape), over: bare)
                return "\(Self.text(copies)) \(ratio.text)"
            }
            let ofOne = Program.allCases.map { program in
                let ratio = Spread(values(figure, 3, program), over: values(figure, 1, program))
                return "\(program.rawValue) \(ratio.text)"
            }
            print("  \(name), tape beside libnats: \(ofBare.joined(separator: ", "))")
            print("  \(name), 3 copies beside 1: \(ofOne.joined(separator: ", "))")
        }
        if load == .window {
            let windows = CopiesGround.copies.map { copies in
                let sizes = (turns[copies]?[.tape] ?? []).map { Double($0.window) }
                return "\(Self.text(copies)) \(Int(Spread(sizes).middle))"
            }
            print("  packets in flight of a stream: \(windows.joined(separator: ", "))")
        }
        fflush(nil)
        tellRows()
    }

    private func line(_ copies: Int, _ program: Program) -> String {
        func cell(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        let rate = Spread(values(\.packetsPerSecond, copies, program))
        let latencies: [Figure] = [\.p50Microseconds, \.p99Microseconds, \.maxMicroseconds]
        return "  \(copies)      \(program.rawValue)"
            + cell("\(Int(rate.middle))", 17 - program.rawValue.count)
            + cell(Pair.hundredths(megabytes(rate.middle)), 9)
            + latencies.map { cell("\(Int(Spread(values($0, copies, program)).middle))", 9) }
            .joined() + "  \(Int(rate.lowest)), \(Int(rate.highest))"
    }

    private func megabytes(_ packetsPerSecond: Double) -> Double {
        packetsPerSecond * Double(packetBytes) / 1e6
    }

    /// What the ratios are of. At a fixed rate, that of the packets is always 1.
    private var ratios: [(Figure, String)] {
        let latency: [(Figure, String)] = [
            (\.p50Microseconds, "ack p50"), (\.p99Microseconds, "ack p99"),
        ]
        return load == .paced ? latency : [(\.packetsPerSecond, "packets/s")] + latency
    }

    private static func text(_ copies: Int) -> String {
        copies == 1 ? "1 copy" : "\(copies) copies"
    }

    // MARK: for the record

    private func tellRows() {
        let figures: [(Figure, name: String, unit: String)] = [
            (\.packetsPerSecond, "published", "packets/s"),
            (\.p50Microseconds, "ack p50", "us"), (\.p99Microseconds, "ack p99", "us"),
            (\.maxMicroseconds, "ack max", "us"),
        ]
        func middle(_ figure: Figure, _ copies: Int, _ program: Program) -> Double {
            Spread(values(figure, copies, program)).middle
        }
        let place = "\(load.text), sync \(syncInterval)"
        for copies in CopiesGround.copies {
            for (figure, name, unit) in figures {
                BenchmarkRow(
                    "\(Self.text(copies)), \(place): \(name)", middle(figure, copies, .tape), unit
                ).beside("libnats in C", middle(figure, copies, .bare)).tell()
            }
            BenchmarkRow(
                "\(Self.text(copies)), \(place): bytes",
                megabytes(middle(\.packetsPerSecond, copies, .tape)), "MB/s"
            ).beside("libnats in C", megabytes(middle(\.packetsPerSecond, copies, .bare))).tell()
        }
        for (figure, name, unit) in figures where name != "ack max" {
            for program in Program.allCases {
                BenchmarkRow(
                    "3 copies by \(program.rawValue), \(place): \(name)",
                    middle(figure, 3, program), unit
                ).beside("one copy", middle(figure, 1, program)).tell()
            }
        }
    }
}

/// The middle of the turns, and the lowest and the highest of them.
private struct Spread {
    let middle: Double
    let lowest: Double
    let highest: Double

    init(_ values: [Double]) {
        let sorted = values.sorted()
        lowest = sorted.first ?? 0
        highest = sorted.last ?? 0
        let half = sorted.count / 2
        switch sorted.count {
        case 0: middle = 0
        case let count where count % 2 == 0: middle = (sorted[half - 1] + sorted[half]) / 2
        case _: middle = sorted[half]
        }
    }

    /// Of the ratios of each round: both values of one round saw the same machine.
    init(_ values: [Double], over others: [Double]) {
        self.init(zip(values, others).filter { $1 > 0 }.map { $0 / $1 })
    }

    var text: String {
        "\(Pair.hundredths(middle)) (\(Pair.hundredths(lowest)) to \(Pair.hundredths(highest)))"
    }
}
