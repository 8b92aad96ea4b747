import Primitives
import Testing

@testable import StreamCore

@Suite struct CheckpointTests {
    private func checkpoint(inputBytes: Int = 40) throws -> [UInt8] {
        try OperatorCheckpoint(
            definition: 1, generation: 2, output: nil,
            input: [UInt8](repeating: 5, count: inputBytes)
        ).bytes(try Samples.machine())
    }

    private func manifest(_ bytes: [UInt8], partBytesMax: Int) throws -> CheckpointManifest {
        try bytes.read { try CheckpointManifest(number: 12, of: $0, partBytesMax: partBytesMax) }
    }

    private func read(_ bytes: [UInt8]) throws -> CheckpointManifest {
        try bytes.read { try CheckpointManifest($0) }
    }

    private func parts(_ bytes: [UInt8], _ manifest: CheckpointManifest) -> [[UInt8]] {
        manifest.parts.indices.map { Array(bytes[manifest.range(ofPart: $0)]) }
    }

    @Test("the head can be read alone, and an output of none stays none")
    func head() throws {
        let head = try checkpoint().read { try OperatorCheckpoint($0) }
        #expect(head.output == nil)
        #expect(head.definition == 1 && head.generation == 2 && head.input.count == 40)
    }

    @Test("any change of a checkpoint is noticed")
    func damagedCheckpoint() throws {
        let bytes = try checkpoint()
        let rule = BarRule(series: try barSeries(["1s", "1m"]))
        for index in bytes.indices {
            var other = bytes
            other[index] ^= 0x10
            for wrong in [other, Array(bytes.prefix(index))] {
                #expect(throws: CheckpointError.self, "byte \(index)") {
                    try OperatorCheckpoint.restore(wrong, rule: rule)
                }
            }
        }
    }

    @Test("an output ordinal at the end of its range is refused: it would be counted on from there")
    func ordinals() throws {
        for (ordinal, checksum) in [(UInt64.max, 1), (1 << 62, 1), (0, 1)] as [(UInt64, UInt64)] {
            let head = OperatorCheckpoint(
                definition: 1, generation: 2,
                output: OutputLedger.End(ordinal: ordinal, checksum: checksum), input: [])
            #expect(throws: CheckpointError.malformed(.output, offset: 44)) {
                try head.bytes(try Samples.machine()).read { try OperatorCheckpoint($0) }
            }
        }
    }

    @Test("a position above the limit is refused before anything is written")
    func inputLimit() throws {
        _ = try checkpoint(inputBytes: CheckpointLimits.inputBytesMax)
        #expect(throws: CheckpointError.self) {
            try checkpoint(inputBytes: CheckpointLimits.inputBytesMax + 1)
        }
    }

    @Test("parts of any size make the whole again", arguments: [1, 7, 100, 1_000, 1 << 20])
    func cutting(partBytesMax: Int) throws {
        var bytes = try checkpoint()
        if partBytesMax == 1 { bytes = Array(bytes.prefix(CheckpointLimits.partsMax)) }
        let manifest = try manifest(bytes, partBytesMax: partBytesMax)
        #expect(manifest.byteCount == bytes.count && manifest.number == 12)
        #expect(manifest.parts.allSatisfy { (1...partBytesMax).contains($0.byteCount) })
        let found = try read(manifest.state)
        #expect(found == manifest)
        #expect(try found.assemble(parts(bytes, found)) == bytes)
    }

    @Test("missing, damaged, short, exchanged and foreign parts are told")
    func wrongParts() throws {
        let bytes = try checkpoint()
        let manifest = try manifest(bytes, partBytesMax: 100)
        let good = parts(bytes, manifest)
        #expect(
            throws: CheckpointError.partCount(expected: good.count, found: good.count - 1)
        ) { try manifest.assemble(good.dropLast()) }
        var short = good
        short[1].removeLast()
        #expect(throws: CheckpointError.partSize(index: 1, expected: 100, found: 99)) {
            try manifest.assemble(short)
        }
        var exchanged = good
        exchanged.swapAt(0, 1)
        let error = #expect(throws: CheckpointError.self) { try manifest.assemble(exchanged) }
        guard case .partChecksum(index: 0, _, _) = error else {
            Issue.record("exchanged parts were not noticed: \(String(describing: error))")
            return
        }
    }

    @Test("a manifest with any change, of nothing or of too much is refused")
    func wrongManifests() throws {
        let bytes = try checkpoint()
        let manifest = try manifest(bytes, partBytesMax: 512)
        for index in manifest.state.indices {
            var other = manifest.state
            other[index] ^= 1
            #expect(throws: CheckpointError.self, "byte \(index)") { try read(other) }
        }
        #expect(throws: CheckpointError.self) { try self.manifest([], partBytesMax: 10) }
        #expect(throws: CheckpointError.tooLarge(bytes: bytes.count, limit: 1_024)) {
            try self.manifest(bytes, partBytesMax: 1)
        }
        // A part of no bytes, then one of more than a checkpoint may have.
        for (value, expected) in [
            (UInt32(0), CheckpointError.malformed(.part, offset: 48)),
            (.max, .tooLarge(bytes: Int(UInt32.max), limit: CheckpointLimits.bytesMax)),
        ] {
            var forged = try self.manifest(bytes, partBytesMax: bytes.count).state
            for place in 0..<4 {
                forged[36 + place] = UInt8(truncatingIfNeeded: value >> (8 * place))
            }
            #expect(throws: expected) { try read(Fuzzing.sealed(forged)) }
        }
    }

    @Test("no damaged manifest or head traps, whatever checksum it has")
    func fuzz() throws {
        let bytes = try checkpoint()
        let manifest = try manifest(bytes, partBytesMax: 128)
        var random = SeededRandom(seed: 4)
        for _ in 0..<4_000 {
            let mutated = Fuzzing.mutated(manifest.state, using: &random)
            guard let found = try? read(mutated) else { continue }
            #expect(found.state == mutated)
            _ = try? found.assemble(parts(bytes, manifest))
        }
        for _ in 0..<4_000 {
            let mutated = Fuzzing.mutated(Array(bytes.prefix(92)), using: &random)
            _ = try? mutated.read { try OperatorCheckpoint($0) }
        }
    }

    @Test("every error is one line that says what to do")
    func descriptions() {
        let errors: [CheckpointError] = [
            .foreign(found: 1), .version(found: 2, known: 1), .truncated(expected: 2, found: 1),
            .checksum(expected: 1, found: 2), .malformed(.lateTick, offset: 3),
            .otherSeries(found: "1s", configured: "1m"), .tooLarge(bytes: 2, limit: 1),
            .unbalanced(series: 1), .partCount(expected: 1, found: 2),
            .partSize(index: 1, expected: 1, found: 2),
            .partChecksum(index: 1, expected: 1, found: 2),
        ]
        for error in errors {
            #expect(!error.description.contains("\n"))
            #expect(error.description.contains("use the checkpoint before it"))
        }
        #expect(Set(errors.map(\.description)).count == errors.count)
    }
}
