import Primitives
import Testing

@testable import StreamCore

@Suite struct CheckpointTests {
    private func checkpoint(inputBytes: Int = 40) throws -> [UInt8] {
        let head = OperatorCheckpoint(
            definition: 1, generation: 2, output: nil,
            input: [UInt8](repeating: 5, count: inputBytes))
        var bytes: [UInt8] = []
        try head.encode(try Samples.machine(), into: &bytes)
        return bytes
    }

    private func manifest(_ bytes: [UInt8], partBytesMax: Int) throws -> CheckpointManifest {
        try bytes.withRawSpan { span throws(CheckpointError) in
            try CheckpointManifest(number: 12, of: span, partBytesMax: partBytesMax)
        }
    }

    private func read(_ bytes: [UInt8]) throws(CheckpointError) -> CheckpointManifest {
        try bytes.withRawSpan { span throws(CheckpointError) in try CheckpointManifest(span) }
    }

    private func parts(_ bytes: [UInt8], _ manifest: CheckpointManifest) -> [[UInt8]] {
        manifest.parts.indices.map { Array(bytes[manifest.range(ofPart: $0)]) }
    }

    @Test("the head can be read alone, and an output of none stays none")
    func head() throws {
        let bytes = try checkpoint()
        let head = try bytes.withRawSpan { span throws(CheckpointError) in
            try OperatorCheckpoint(span)
        }
        #expect(head.output == nil)
        #expect(head.definition == 1 && head.generation == 2 && head.input.count == 40)
    }

    @Test("any change of a checkpoint is noticed")
    func damagedCheckpoint() throws {
        let bytes = try checkpoint()
        let series = try barSeries(["1s", "1m"])
        for index in bytes.indices {
            var other = bytes
            other[index] ^= 0x10
            #expect(throws: CheckpointError.self, "byte \(index)") {
                try other.withRawSpan { span throws(CheckpointError) in
                    try OperatorCheckpoint.restore(span, series: series)
                }
            }
        }
        for count in 0..<bytes.count {
            let short = Array(bytes.prefix(count))
            #expect(throws: CheckpointError.self, "\(count) bytes") {
                try short.withRawSpan { span throws(CheckpointError) in
                    try OperatorCheckpoint.restore(span, series: series)
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
            var bytes: [UInt8] = []
            try head.encode(try Samples.machine(), into: &bytes)
            #expect(throws: CheckpointError.malformed(.output, offset: 44)) {
                try bytes.withRawSpan { span throws(CheckpointError) in
                    try OperatorCheckpoint(span)
                }
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
        var encoded: [UInt8] = []
        manifest.encode(into: &encoded)
        let found = try read(encoded)
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
        let reason = error { try manifest.assemble(exchanged) }
        guard case .partChecksum(let index, _, _) = reason else {
            Issue.record("exchanged parts were not noticed: \(String(describing: reason))")
            return
        }
        #expect(index == 0)
    }

    private func error(_ body: () throws -> [UInt8]) -> CheckpointError? {
        do {
            _ = try body()
            return nil
        } catch { return error as? CheckpointError }
    }

    @Test("a manifest with any change, of nothing or of too much is refused")
    func wrongManifests() throws {
        let bytes = try checkpoint()
        let manifest = try manifest(bytes, partBytesMax: 512)
        var encoded: [UInt8] = []
        manifest.encode(into: &encoded)
        for index in encoded.indices {
            var other = encoded
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
            let whole = try self.manifest(bytes, partBytesMax: bytes.count)
            var forged: [UInt8] = []
            whole.encode(into: &forged)
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
        var encoded: [UInt8] = []
        manifest.encode(into: &encoded)
        var random = SeededRandom(seed: 4)
        for _ in 0..<4_000 {
            let mutated = Fuzzing.mutated(encoded, using: &random)
            guard let found = try? read(mutated) else { continue }
            var again: [UInt8] = []
            found.encode(into: &again)
            #expect(again == mutated)
            _ = try? found.assemble(parts(bytes, manifest))
        }
        for _ in 0..<4_000 {
            let mutated = Fuzzing.mutated(Array(bytes.prefix(92)), using: &random)
            _ = try? mutated.withRawSpan { span throws(CheckpointError) in
                try OperatorCheckpoint(span)
            }
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
