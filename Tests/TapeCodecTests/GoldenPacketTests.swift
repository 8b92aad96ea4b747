import Foundation
import Primitives
import TapeCodec
import Testing

/// The bytes of packets. After the first release they never change, because a packet must be
/// readable for as long as a tape is kept; until then `make golden` makes the files again.
@Suite struct GoldenPacketTests {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().appendingPathComponent("Golden")

    static let names =
        [
            "ticks", "ticks-lot", "bars", "bars-lateness", "marker", "watermark", "retirement",
            "states", "states-watermark", "members",
        ]
        + TickSamples.packets.map(\.name)

    static func file(_ name: String) -> URL { folder.appendingPathComponent("\(name).hex") }

    static func packet(_ name: String) throws -> SealedPacket {
        switch name {
        case "ticks": try Samples.tickPacket()
        case "ticks-lot": try Samples.tickPacket(lot: try Samples.lot())
        case "bars": try Samples.barPacket()
        case "bars-lateness": try Samples.barPacket(lateness: 2_000_000_000)
        case "marker": try Samples.markerPacket()
        case "watermark": try Samples.watermarkPacket()
        case "states": try Samples.statesPacket()
        case "states-watermark":
            try Samples.statesPacket(watermark: Timestamp(nanoseconds: 24))
        case "members": try Samples.membersPacket()
        case "retirement": try Samples.retirementPacket()
        default: try #require(TickSamples.packets.first { $0.name == name }).make()
        }
    }

    @Test("packets have the bytes of their files", arguments: names)
    func golden(name: String) throws {
        let packet = try Self.packet(name)
        let file = Self.file(name)
        if !FileManager.default.fileExists(atPath: file.path) {
            try hexLines(packet.array).write(to: file, atomically: true, encoding: .utf8)
            Issue.record("\(file.lastPathComponent) was missing and has been written: look at it")
        }
        let text = try String(contentsOf: file, encoding: .utf8)
        #expect(hexLines(packet.array) == text)
    }

    private func hexLines(_ bytes: [UInt8]) -> String {
        stride(from: 0, to: bytes.count, by: 16).map { start in
            bytes[start..<min(start + 16, bytes.count)]
                .map { String(format: "%02x", $0) }.joined(separator: " ")
        }.joined(separator: "\n") + "\n"
    }
}
