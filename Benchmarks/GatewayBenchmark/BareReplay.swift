internal import Foundation
import MarketModel
import ServiceRuntime
import TapeTransport
import TestSupport

/// Publishes the same packets with the least program that libnats allows, each as soon as its last
/// tick came.
enum BareReplay {
    struct Answer {
        /// Nanoseconds from the packet's due time to its acknowledgement. This includes waiting for
        /// a busy subject.
        let fromDue: Int64
        let fromSending: Int64
    }

    private static let timeout = Duration.seconds(120)

    /// `due` holds nanoseconds from the beginning of the run, per packet. The answers are in the
    /// order of the packets.
    static func run(_ packets: [StoredTicks], due: [Int64]) throws -> [Answer] {
        let stage = try Stage()
        defer { stage.client.close() }
        try stage.client.ensureTickStreams(bytesMax: Stage.streamBytesMax)
        let folder = try TemporaryFolder("bare")
        let order = packets.indices.sorted { (due[$0], $0) < (due[$1], $1) }
        var file = Data()
        for index in order {
            unsafe withUnsafeBytes(of: due[index].littleEndian) {
                unsafe file.append(contentsOf: $0)
            }
            for number in [
                Int32(packets[index].partition.number), Int32(packets[index].bytes.count),
            ] {
                unsafe withUnsafeBytes(of: number.littleEndian) {
                    unsafe file.append(contentsOf: $0)
                }
            }
            file.append(contentsOf: packets[index].bytes)
        }
        try file.write(to: URL(fileURLWithPath: folder.file("packets")))
        let process = try ChildProcess(
            executable: try ProductPrograms.path("CBareTape"),
            arguments: [
                "replay", stage.server.url, "md", "bare", folder.file("packets"),
                folder.file("answers"),
            ], environment: [:], logPath: folder.file("out"))
        guard process.wait(timeout: timeout) == .exited(0) else {
            process.stop(9)
            let said = try String(contentsOfFile: folder.file("out"), encoding: .utf8)
            throw Unusable("CBareTape replay: \(said)")
        }
        let answers = try Data(contentsOf: URL(fileURLWithPath: folder.file("answers")))
        guard answers.count == packets.count * 16 else { throw Unusable("answers are missing") }
        var result = [Answer](
            repeating: Answer(fromDue: 0, fromSending: 0), count: packets.count)
        unsafe answers.withUnsafeBytes { bytes in
            for (place, index) in order.enumerated() {
                result[index] = Answer(
                    fromDue: unsafe bytes.loadUnaligned(
                        fromByteOffset: place * 16, as: Int64.self),
                    fromSending: unsafe bytes.loadUnaligned(
                        fromByteOffset: place * 16 + 8, as: Int64.self))
            }
        }
        return result
    }
}
