import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec
import TapeTransport
import Testing

@testable import OperatorWorker

/// The decision with which a partition begins, case by case.
@Suite struct RecoveryDecisionTests {
    private let program: GraphProgram
    private let input = TapePosition(
        streamCreated: Timestamp(nanoseconds: 77), sequence: 40,
        packet: PacketIdentity(epoch: 1, firstOrdinal: 5, checksum: 6), sources: [])

    init() throws {
        var program = GraphProgram(.simple(try BarSeriesSet(["1s"])))
        // As if this release were not the first one.
        program.earlierHashes = [4, 5]
        self.program = program
    }

    /// Returns a situation in which ours is definition 9, generation 2; the tape is complete, and
    /// its lane is open.
    private func situation(
        stands: UInt64? = 10, generation: UInt32 = 2, lane: UInt64? = nil
    ) -> RecoverySituation {
        var found = RecoverySituation(
            partition: Partition(3), definition: 9, generation: 2, program: program)
        found.published = stands.map {
            PublishedEnd(
                ordinal: $0, checksum: $0 * 100, generation: generation, input: input,
                watermark: Timestamp(nanoseconds: 1_000))
        }
        found.laneOrdinal = lane ?? stands ?? 0
        found.laneEpoch = 7
        found.streamCreated = input.streamCreated
        found.isInputThere = true
        return found
    }

    private func head(
        _ output: UInt64?, generation: UInt32 = 2, definition: UInt64 = 9, epoch: UInt64 = 7
    ) throws -> CheckpointHead {
        let manifest = try [1].withRawSpan { span throws(CheckpointError) in
            try CheckpointManifest(number: 5, of: span, partBytesMax: 10)
        }
        let end = output.map { OutputLedger.End(ordinal: $0, checksum: $0 * 100) }
        return CheckpointHead(
            epoch: epoch, generation: generation, definition: definition,
            entries: [CheckpointHead.Entry(manifest: manifest, output: end)])
    }

    private func candidate(_ output: UInt64?) -> StoredCheckpoints.Candidate {
        StoredCheckpoints.Candidate(
            number: 5,
            output: output.map { OutputLedger.End(ordinal: $0, checksum: $0 * 100) },
            input: CheckpointInput(position: input, publishFrom: nil, hasBegun: true),
            machine: GraphMachine(program))
    }

    private func begins(_ situation: RecoverySituation) throws -> Beginning {
        guard case .begin(let beginning) = situation.recovery else {
            throw Unexpected(description: "\(situation.recovery)")
        }
        return beginning
    }

    private struct Unexpected: Error, CustomStringConvertible { let description: String }

    private func stops(_ situation: RecoverySituation) -> String? {
        guard case .stop(let reason) = situation.recovery else { return nil }
        return reason
    }

    @Test("nothing anywhere: from the start, and nothing to leave out")
    func nothing() throws {
        let found = try begins(situation(stands: nil))
        #expect(found.way == .start && found.published == nil && found.publishedInput == nil)
        #expect(found.input.position == nil && found.input.publishFrom == nil)
    }

    @Test("output without a checkpoint: from the start, and what stands is left out")
    func start() throws {
        let found = try begins(situation())
        #expect(found.way == .start && found.output == nil && found.published?.ordinal == 10)
        #expect(found.publishedInput == input && found.watermark.nanoseconds == 1_000)
        // The same if both checkpoints are damaged.
        var damaged = situation()
        damaged.stored.head = try head(10)
        #expect(try begins(damaged).way == .start)
    }

    @Test("a checkpoint below or at the tape's end: behind it", arguments: [nil, 0, 4, 10])
    func checkpoint(output: UInt64?) throws {
        var here = situation()
        here.stored.head = try head(output == 0 ? nil : output)
        here.stored.candidate = candidate(output == 0 ? nil : output)
        let found = try begins(here)
        #expect(found.way == .checkpoint && found.number == 5)
        #expect(found.output == here.stored.candidate?.output && found.published?.ordinal == 10)
        #expect(found.input.position == input)
    }

    @Test("a tape that ends below what was counted or acknowledged stops with the remedy")
    func putBack() throws {
        var here = situation(stands: 8)
        here.stored.head = try head(10)
        here.stored.candidate = candidate(7)
        #expect(stops(here)?.contains("`tapeline partition rebuild 3`") == true)
        here.published = nil
        here.laneOrdinal = 0
        #expect(stops(here)?.contains("ends at bar 0, but 10") == true)
        let lane = situation(stands: 8, lane: 9)
        #expect(stops(lane)?.contains("ends at bar 8, but 9") == true)
    }

    @Test("another checksum at the tape's end stops with the remedy")
    func diverged() throws {
        var here = situation()
        here.stored.head = try head(10)
        here.stored.candidate = candidate(10)
        here.published?.checksum = 1
        let reason = try #require(stops(here))
        #expect(reason.contains("output 10") && reason.contains("partition rebuild 3"))
    }

    @Test("another definition of the same generation stops; newer ones are waited for")
    func settings() throws {
        var here = situation()
        here.stored.head = try head(10, definition: 8)
        #expect(stops(here)?.contains("raise OPERATOR_GENERATION above 2") == true)
        #expect(stops(here)?.contains("(OPERATOR_GRAPH or OPERATOR_SERIES)") == true)
        for place in 0..<3 {
            var newer = situation()
            switch place {
            case 0: newer.stored.head = try head(10, generation: 3)
            case 1: newer.published?.generation = 3
            default: newer.markerGeneration = 3
            }
            newer.request = RebuildRequest(requested: .undefined)
            guard case .standBy(let reason) = newer.recovery else {
                Issue.record("place \(place): \(newer.recovery)")
                continue
            }
            #expect(reason.contains("generation 3"))
            guard case .standBy? = newer.refusal else {
                Issue.record("the lane would be opened")
                continue
            }
        }
        // Claimed, but nothing is stored, so there are no settings to compare.
        var claimed = situation()
        claimed.stored.head = CheckpointHead(
            epoch: 7, generation: 0, definition: 0, entries: [])
        #expect(try begins(claimed).way == .start)
    }

    @Test("a raised generation begins a line behind the old one's end, silently up to its input")
    func generation() throws {
        for hasHead in [true, false] {
            var here = situation(generation: 1)
            here.stored.head = hasHead ? try head(9, generation: 1, definition: 8) : nil
            #expect(here.needsInput && here.refusal == nil)
            let found = try begins(here)
            #expect(found.way == .base(Base(end: input, openingInput: nil, endsRequest: false)))
            #expect(found.output == OutputLedger.End(ordinal: 10, checksum: 1_000))
            #expect(found.output == found.published && found.publishedInput == nil)
            #expect(found.input.position == nil)
            #expect(found.input.publishFrom == SourceTable.noWatermark)
            here.isInputThere = false
            #expect(stops(here)?.contains("partition rebuild 3") == true)
        }
        var empty = situation(stands: nil)
        empty.stored.head = try head(nil, generation: 1)
        let found = try begins(empty)
        #expect(found.way == .base(Base(end: nil, openingInput: nil, endsRequest: false)))
        #expect(found.output == nil)
    }

    @Test("output of an earlier release begins a new line, also where no head states that")
    func earlierRelease() throws {
        let claimed = CheckpointHead(epoch: 7, generation: 0, definition: 0, entries: [])
        for earlier in program.earlierHashes {
            // The head, and what the tape states where the head states nothing.
            let known: [(head: CheckpointHead?, onTape: UInt64?)] = [
                (try head(9, definition: earlier), nil), (nil, earlier), (claimed, earlier),
            ]
            for (head, onTape) in known {
                var here = situation()
                here.stored.head = head
                #expect(here.needsDefinition == (onTape != nil))
                here.published?.definition = onTape
                #expect(here.needsInput && here.refusal == nil)
                let found = try begins(here)
                #expect(found.way == .base(Base(end: input, openingInput: nil, endsRequest: false)))
                #expect(found.output == OutputLedger.End(ordinal: 10, checksum: 1_000))
                here.isInputThere = false
                #expect(stops(here)?.contains("partition rebuild 3") == true)
            }
        }
    }

    @Test("without a sign of an earlier release, output is computed again and compared")
    func noEarlierRelease() throws {
        let claimed = CheckpointHead(epoch: 7, generation: 0, definition: 0, entries: [])
        let earlier = program.earlierHashes.first
        let known: [(head: CheckpointHead?, onTape: UInt64?)] = [
            (nil, nil), (nil, 8), (nil, 9), (claimed, 9), (try head(10), earlier),
        ]
        for (head, onTape) in known {
            var here = situation()
            here.stored.head = head
            here.published?.definition = onTape
            #expect(!here.needsInput)
            #expect(try begins(here).way == .start)
        }
        // Markers alone are no output, and other generations are known by their number.
        #expect(!situation(stands: nil).needsDefinition)
        #expect(!situation(generation: 1).needsDefinition)
    }

    @Test("a rebuild goes on behind the highest ordinal that anybody knows")
    func rebuild() throws {
        var here = situation(stands: 8)
        here.request = RebuildRequest(requested: .undefined)
        here.stored.head = try head(10, definition: 8)
        guard case .raise(let ordinal, _, _) = here.recovery else {
            throw Unexpected(description: "\(here.recovery)")
        }
        #expect(ordinal == 11 && here.refusal == nil)
        here.laneOrdinal = 10
        let found = try begins(here)
        #expect(found.way == .base(Base(end: input, openingInput: input, endsRequest: true)))
        // The checksum continues from the stored one.
        #expect(found.output == OutputLedger.End(ordinal: 10, checksum: 800))
    }

    @Test("a rebuild without the old input takes all of the tape, for windows nobody published")
    func rebuildWithoutInput() throws {
        var here = situation()
        here.request = RebuildRequest(requested: .undefined)
        here.isInputThere = false
        let start = TapePosition.before(input.streamCreated)
        let base = Base(end: nil, openingInput: start, endsRequest: true)
        let found = try begins(here)
        #expect(found.way == .base(base))
        #expect(found.input.publishFrom?.nanoseconds == 1_000)
        here.published = nil
        here.laneOrdinal = 0
        let empty = try begins(here)
        #expect(empty.way == .base(base) && empty.output == nil)
        #expect(empty.input.publishFrom == SourceTable.noWatermark)
    }

    @Test("on a tape that was made again, the bars continue after those that a database has")
    func restored() throws {
        let source = try #require(SourceName("ibkr"))
        var here = situation(stands: nil)
        here.isInputThere = false
        here.request = RebuildRequest(
            requested: .undefined,
            stored: RebuildRequest.Stored(
                lastOrdinal: 70, epoch: 7,
                sources: [SourceOrdinal(source: source, epoch: 3, lastOrdinal: 900)]))
        // The epoch of the lane was used already, then its ordinals were.
        guard case .raise(let first, let above, let rows) = here.recovery else {
            throw Unexpected(description: "\(here.recovery)")
        }
        #expect(first == 71 && above == 7 && rows == 70)
        here.laneEpoch = 8
        guard case .raise(let next, 0, let stored) = here.recovery else {
            throw Unexpected(description: "\(here.recovery)")
        }
        #expect(next == 71 && stored == 70)
        here.laneOrdinal = 70
        let found = try begins(here)
        let start = TapePosition.before(input.streamCreated)
        #expect(
            found.way == .base(Base(end: nil, openingInput: start, endsRequest: true)))
        #expect(found.output == OutputLedger.End(ordinal: 70, checksum: 0))
        // A window that holds stored ticks is not made of the rest of them.
        #expect(
            found.input.earlier
                == EarlierSources([SourceOrdinal(source: source, epoch: 3, lastOrdinal: 900)]))
    }

    @Test("an epoch below that of the checkpoints is raised first")
    func epoch() throws {
        var here = situation()
        here.stored.head = try head(10, epoch: 8)
        guard case .raise(let ordinal, let epoch, _) = here.recovery else {
            throw Unexpected(description: "\(here.recovery)")
        }
        #expect(ordinal == 11 && epoch == 8)
    }
}
