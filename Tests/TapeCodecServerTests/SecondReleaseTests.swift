import Foundation
import MarketModel
import Primitives
import TapeCodec
import Testing

@testable import TapeCodecTests

/// Two releases side by side: this one reads what a made-up second one writes
/// (`second_release.py`).
@Suite struct SecondReleaseTests {
    /// The numbers of its new tick and of its new message.
    private static let new: [UInt16] = [0x81fe, 0x00fd]

    /// Returns a golden packet as the second release would write it.
    private func packet(_ name: String) throws -> [UInt8] {
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("second_release.py").path
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", script, "packet", GoldenPacketTests.file(name).path]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        // The script has compared the change with the rules, and its own reader with its writer.
        try #require(process.terminationStatus == 0)
        let digits = Array(String(decoding: data, as: UTF8.self).filter(\.isHexDigit))
        return stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(digits[$0..<$0 + 2]), radix: 16)
        }
    }

    @Test(
        "packets of a made-up second release are read without what is new in it",
        arguments: GoldenPacketTests.names)
    func read(name: String) throws {
        let old = try GoldenPacketTests.packet(name).array
        let new = repaired(try packet(name))
        let header = try new.withRawSpan { span throws(PacketError) in
            try PacketReader.validate(span)
        }
        #expect(header.tickCount == Unpacked(old).tickCount + 1)
        let (found, wanted) = (Unpacked(new), Unpacked(old))
        #expect(found.unknown == wanted.unknown + Self.new)
        #expect(found.errors.isEmpty && found.tickCount == header.tickCount)
        #expect(found.trades == wanted.trades && found.quotes == wanted.quotes)
        #expect(found.bars == wanted.bars && found.markers == wanted.markers)
        #expect(found.symbols == wanted.symbols && found.series == wanted.series)
        var ticks = UnpackedTicks(new)
        // What every tick begins with is read of an unknown one, too.
        let last = ticks.headers.popLast()
        #expect(last?.flags == .delayed && last?.providerTime.nanoseconds == 5)
        #expect(ticks == UnpackedTicks(old))
    }
}
