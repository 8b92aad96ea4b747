import BenchmarkRows
internal import Foundation
import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport

/// What three copies of the tape cost beside one, and beside the least program on libnats: the
/// same packets with the same expectations and as many of them in flight, in turns on the same
/// servers. It has no marks.
struct CopiesRun {
    /// How packets are published. The names are words of the command line.
    enum Load: String, CaseIterable {
        /// The packets of a gateway with the aim `quick` at 10,000 ticks a second.
        case paced
        /// As many packets in flight as the window of a gateway permits.
        case window
        /// One packet in flight for each subject.
        case each
        /// The same with full packets, which no window holds back.
        case full

        var ticks: Int {
            switch self {
            case .paced: 9
            case .window, .each: 16
            case .full: 1_024
            }
        }

        var rate: Double { self == .paced ? 1_150 : 0 }

        var text: String {
            switch self {
            case .paced: "\(Int(rate)) packets/s of \(ticks) ticks"
            case .window: "\(ticks) ticks a packet, a gateway's window"
            case .each, .full: "\(ticks) ticks a packet, one in flight for each subject"
            }
        }
    }

    static let quickWord = "--quick"

    private let syncInterval: String
    private let ground: CopiesGround
    private let source: SourceName
    private let folder: TemporaryFolder
    private let rounds: Int
    private let seconds: Double

    init(syncInterval: String, isQuick: Bool) throws {
        guard let source = SourceName("bench") else { throw Stage.Unusable("no names") }
        (self.syncInterval, self.source) = (syncInterval, source)
        (rounds, seconds) = isQuick ? (1, 0.25) : (5, 1)
        ground = try CopiesGround(syncInterval: syncInterval)
        folder = try TemporaryFolder("copies")
    }

    func run(_ loads: [Load]) throws {
        let average = try text("/proc/loadavg").split(separator: " ").first ?? ""
        print("three copies beside one: \(rounds) rounds, load average before \(average)")
        #if DEBUG
            print("a debug build: what the tape reaches in it says nothing about the product")
        #endif
        for load in loads {
            let packet = try TickLoad.packet(ticks: load.ticks, source: source)
            let path = folder.file("packet-\(load.ticks)")
            try packet.withBytes { bytes in
                unsafe bytes.withUnsafeBytes { unsafe Data($0) }
            }.write(to: URL(fileURLWithPath: path))
            var report = CopiesReport(
                load: load, syncInterval: syncInterval, packetBytes: packet.byteCount)
            for _ in 0..<rounds {
                for copies in CopiesGround.copies {
                    try turn(load, copies, (path, packet.byteCount), &report)
                }
            }
            report.tell()
        }
    }

    /// One turn of each program. The bare one has as many packets in flight as the tape had.
    private func turn(
        _ load: Load, _ copies: Int, _ packet: (path: String, bytes: Int),
        _ report: inout CopiesReport
    ) throws {
        try ground.clear(copies: copies)
        let run = try PublishRun(
            ground.client(copies: copies), source: source, ticks: load.ticks,
            packets: Self.packetsMax)
        var window = 0
        var tape: RunResult
        switch load {
        case .paced: tape = try run.paced(rate: load.rate, seconds: seconds)
        case .window: (tape, window) = try run.timed(seconds: seconds, hasWindow: true)
        case .each, .full: (tape, _) = try run.timed(seconds: seconds, hasWindow: false)
        }
        tape.window = window
        report.add(tape, copies, .tape)
        try ground.clear(copies: copies)
        report.add(
            try RunResult.ofBare([
                "timed", ground.url(copies: copies), ground.names.namespace, "bare",
                "\(Stage.partitions)", "\(seconds)", "\(load.rate)", "\(window)",
                "\(packet.bytes)", packet.path,
            ]), copies, .bare)
    }

    /// For how many packets of a turn there is room at once.
    private static let packetsMax = 20_000
}
