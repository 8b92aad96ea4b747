import Foundation
import Primitives
import Testing

@testable import StreamCore

@Suite struct CheckpointHeadTests {
    private func manifest(_ number: UInt64) throws -> CheckpointManifest {
        let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 30)
        return try bytes.read { try CheckpointManifest(number: number, of: $0, partBytesMax: 20) }
    }

    private func head() throws -> CheckpointHead {
        CheckpointHead(
            epoch: 9, generation: 2, definition: 0x0123_4567_89ab_cdef,
            entries: [
                CheckpointHead.Entry(
                    manifest: try manifest(12),
                    output: OutputLedger.End(ordinal: 41, checksum: 0xfeed)),
                CheckpointHead.Entry(manifest: try manifest(11), output: nil),
            ])
    }

    private func read(_ bytes: [UInt8]) throws -> CheckpointHead {
        try bytes.read { try CheckpointHead($0) }
    }

    @Test("it is read as it was written, and knows the most output of its checkpoints")
    func roundTrip() throws {
        let head = try head()
        #expect(try read(head.state) == head)
        #expect(head.output?.ordinal == 41)
        var other = head
        other.entries.reverse()
        #expect(other.output?.ordinal == 41)
        other.entries.removeLast()
        #expect(other.output == nil)
        other.entries = []
        #expect(try read(other.state) == other && other.output == nil)
    }

    @Test("of three entries the oldest is left out")
    func entries() throws {
        let entries = try [3, 2, 1].map {
            CheckpointHead.Entry(manifest: try manifest($0), output: nil)
        }
        let head = CheckpointHead(epoch: 1, generation: 1, definition: 1, entries: entries)
        #expect(head.entries.map(\.manifest.number) == [3, 2])
    }

    @Test("any change is noticed, and no bytes trap")
    func damaged() throws {
        let good = try head().state
        for index in good.indices {
            var other = good
            other[index] ^= 0x20
            #expect(throws: CheckpointError.self, "byte \(index)") { try read(other) }
        }
        for count in 0..<good.count {
            #expect(throws: CheckpointError.self) { try read(Array(good.prefix(count))) }
        }
        var random = SeededRandom(seed: 8)
        for _ in 0..<4_000 {
            let mutated = Fuzzing.mutated(good, using: &random)
            guard let found = try? read(mutated) else { continue }
            #expect(found.state == mutated)
        }
    }

    @Test("entries in the wrong order and numbers at the end of their range are refused")
    func impossible() throws {
        var head = try head()
        let entries = head.entries
        for wrong in [
            [entries[1], entries[0]], [entries[0], entries[0]],
            [CheckpointHead.Entry(manifest: try manifest(1 << 62), output: nil)],
        ] {
            head.entries = wrong
            #expect(throws: CheckpointError.self) { try read(head.state) }
        }
        head.entries = [
            CheckpointHead.Entry(
                manifest: try manifest(1),
                output: OutputLedger.End(ordinal: 1 << 62, checksum: 1))
        ]
        #expect(throws: CheckpointError.self) { try read(head.state) }
    }

    @Test("a head has these bytes")
    func golden() throws {
        let text = try head().state.map { String(format: "%02x", $0) }.joined()
        #expect(text == Self.golden)
    }

    private static let golden =
        "544c434801000000e000000000000000090000000000000002000000efcdab89"
        + "67452301020000002900000000000000edfe00000000000044000000544c434d"
        + "0100000044000000000000000c0000000000000012faa649618bb34202000000"
        + "140000009197d24fc9abbf5c0a000000aef5e0eb76bf50d98e86b90270df67d2"
        + "0000000000000000000000000000000044000000544c434d0100000044000000"
        + "000000000b00000000000000f5017031f378c7300200000014000000a0d3947c"
        + "e804c9660a0000000cb79d251b2601141da5fd6d1f256c632ab3a729e5f9767b"
}
