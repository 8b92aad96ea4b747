import MarketModel
import OperatorGraph
import Primitives
import ServiceTestSupport
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport
import Testing

@testable import OperatorWorker

/// A partition whose tape of ticks was lost after some packets, and that a person rebuilds. Times
/// are in seconds.
private struct LostTape {
    private var bench: LaneBench

    init(groups: SourceGroups = SourceGroups()) throws {
        var definition = GraphDefinition.simple(try BarSeriesSet(["1s"]))
        definition.silentAfter = 5_000_000_000
        definition.groups = groups
        bench = try LaneBench(definition)
    }

    /// Takes a packet with a trade at each of these seconds, and publishes.
    mutating func take(
        _ source: String, _ seconds: [Int64], watermark: Int64, sent: Int64
    ) throws {
        try bench.take(
            seconds.map { $0 * 10 }, of: source, watermark: watermark * 10, sent: sent * 10)
        bench.publish()
    }

    /// Lets the gateway of a source send all that it ever sent again.
    mutating func sendAgain(_ source: String) { bench.ordinals[source] = nil }

    /// Lets the first packet of a source have this ordinal: those of before were removed.
    mutating func begin(_ source: String, at ordinal: UInt64) { bench.ordinals[source] = ordinal }

    /// Begins a new line of output, as of another generation.
    mutating func beginLine() {
        bench.openLane()
        bench.begin(bench.newLine())
        bench.publish()
        bench.core.stored()
    }

    /// Loses the tape of ticks, and begins a rebuild. With `isInterrupted` the owner ends before it
    /// has stored the checkpoint with which the new line begins.
    mutating func rebuild(isInterrupted: Bool = false) throws {
        let settings = bench.settings
        let created = bench.loseTape()
        bench.openLane()
        var situation = RecoverySituation(
            partition: Partition(0), definition: settings.definition,
            generation: settings.generation, program: settings.program)
        situation.published = bench.bars.published
        situation.laneOrdinal = bench.lane.nextOrdinal - 1
        situation.laneEpoch = bench.lane.epoch
        situation.request = RebuildRequest(requested: .undefined)
        situation.streamCreated = created
        guard case .begin(let beginning) = situation.recovery else {
            Issue.record("\(situation.recovery)")
            return
        }
        bench.begin(beginning)
        bench.publish()
        if !isInterrupted { bench.core.stored() }
    }

    /// Goes on with another owner, from a checkpoint.
    mutating func restart() throws {
        let image = try #require(try bench.core.checkpoint(now: .at(Int64.max / 2), isLast: true))
        bench.openLane()
        let program = bench.settings.program
        let (checkpoint, machine) = try image.bytes.withRawSpan { span throws(CheckpointError) in
            try OperatorCheckpoint.restore(span) { span throws(CheckpointError) in
                try GraphMachine(program, restoring: span)
            }
        }
        let published = bench.bars.published
        bench.begin(
            Beginning(
                way: .checkpoint, machine: machine, output: checkpoint.output,
                published: published?.end, publishedInput: published?.input,
                input: try #require(checkpoint.input.withRawSpan { CheckpointInput($0) })))
    }

    /// The seconds at which the published bars of a source begin, in order.
    func published(_ source: String, isPartial: Bool? = nil) -> [Int64] {
        bench.published.compactMap { output in
            guard case .bar(let bar, let symbol, _) = output, symbol.source.text == source,
                isPartial.map({ $0 == bar.flags.contains(.partial) }) ?? true
            else { return nil }
            return LaneBench.tenth(bar.openTime) / 10
        }
    }
}

@Suite("A loaded past, and the beginning of the tape") struct LoadedPastTests {
    @Test("a past that is loaded behind a tape that was purged is published, and whole")
    func published() throws {
        for (isLine, restarts) in [(true, false), (true, true), (false, false), (false, true)] {
            var tape = try LostTape()
            if isLine { tape.beginLine() }
            tape.begin("a", at: 100)
            try tape.take("a", [500, 501, 502], watermark: 502, sent: 502)
            if restarts { try tape.restart() }
            try tape.take("a-history", [1, 2], watermark: 2, sent: 503)
            if restarts { try tape.restart() }
            try tape.take("a-history", [3, 4, 5], watermark: 6, sent: 504)
            #expect(tape.published("a-history", isPartial: false) == [1, 2, 3, 4, 5])
            #expect(tape.published("a-history", isPartial: true).isEmpty)
            // Of the present, nothing changes.
            #expect(tape.published("a").first == (isLine ? 501 : 500))
            #expect(tape.published("a", isPartial: true) == (isLine ? [] : [500]))
        }
    }

    @Test("a past whose first packets were purged lacks ticks, and so does the present behind it")
    func purged() throws {
        for isLine in [true, false] {
            var tape = try LostTape()
            if isLine { tape.beginLine() }
            tape.begin("a-history", at: 50)
            try tape.take("a-history", [3, 3, 4], watermark: 4, sent: 500)
            tape.begin("a", at: 900)
            try tape.take("a", [500, 501, 502], watermark: 502, sent: 502)
            try tape.take("a-history", [5, 6], watermark: 7, sent: 503)
            #expect(tape.published("a-history", isPartial: true) == (isLine ? [] : [3]))
            #expect(tape.published("a-history", isPartial: false) == [4, 5, 6])
            #expect(tape.published("a", isPartial: true) == (isLine ? [] : [500]))
            #expect(tape.published("a", isPartial: false) == [501])
        }
    }
}

@Suite("A rebuild without its input") struct EarlierSourcesTests {
    /// Two sources, of which `b` fell silent at 2 while `a` went on to 20. Then the tape was lost.
    private func lost(
        groups: SourceGroups = SourceGroups(), isInterrupted: Bool = false
    ) throws -> LostTape {
        var tape = try LostTape(groups: groups)
        try tape.take("b", [1, 2], watermark: 2, sent: 1)
        for second in 1...20 as ClosedRange<Int64> {
            try tape.take("a", [second], watermark: second, sent: second)
        }
        #expect(tape.published("b") == [1])
        #expect(tape.published("a") == Array(1...19))
        if isInterrupted { try tape.rebuild(isInterrupted: true) }
        try tape.rebuild()
        return tape
    }

    @Test("a source that was ahead of another one publishes no window that lacks ticks")
    func ahead() throws {
        var tape = try LostTape()
        for second in 1...20 as ClosedRange<Int64> {
            try tape.take("a", [second], watermark: second, sent: second)
            try tape.take("b", [second - 15], watermark: second - 15, sent: second)
        }
        #expect(tape.published("a") == Array(1...19))
        #expect(tape.published("b") == Array(-14...4))
        try tape.rebuild()
        // The new tape begins with the source that is behind.
        try tape.take("b", [6], watermark: 6, sent: 21)
        // The window had a tick before.
        try tape.take("a", [20], watermark: 20, sent: 21)
        try tape.take("a", [21, 22], watermark: 22, sent: 22)
        try tape.take("b", [7, 8], watermark: 8, sent: 23)
        try tape.take("a", [23], watermark: 23, sent: 23)
        #expect(tape.published("a") == Array(1...19) + [21, 22])
        #expect(tape.published("b") == Array(-14...4) + [7])
    }

    @Test("whole windows in the first packet of the only source are published")
    func alone() throws {
        var tape = try LostTape()
        for second in 1...20 as ClosedRange<Int64> {
            try tape.take("a", [second], watermark: second, sent: second)
        }
        try tape.rebuild()
        try tape.take("a", [20, 21, 22, 23], watermark: 23, sent: 23)
        try tape.take("a", [24], watermark: 24, sent: 24)
        #expect(tape.published("a") == Array(1...19) + [21, 22, 23])
    }

    @Test("a member with the name of its group does not decide for the group")
    func group() throws {
        let groups = SourceGroups([
            SourceGroups.Group(
                name: try #require(SourceName("b")), members: [try #require(SourceName("c"))])
        ])
        var tape = try lost(groups: groups)
        try tape.take("a", [21], watermark: 21, sent: 21)
        try tape.take("b", [5, 6], watermark: 6, sent: 22)
        try tape.take("b", [7, 8], watermark: 9, sent: 23)
        #expect(tape.published("b") == [1])
        try tape.take("b", [22, 23, 24], watermark: 24, sent: 24)
        #expect(tape.published("b") == [1, 22, 23])
    }

    @Test("an interrupted rebuild begins again with what the line before took")
    func interrupted() throws {
        var tape = try lost(isInterrupted: true)
        try tape.take("a", [21], watermark: 21, sent: 21)
        tape.sendAgain("b")
        try tape.take("b", [1, 2], watermark: 2, sent: 22)
        try tape.take("b", [5, 6], watermark: 6, sent: 23)
        try tape.take("b", [7, 8], watermark: 9, sent: 24)
        #expect(tape.published("b") == [1, 6, 7, 8])
    }

    @Test("the bars of a source that was silent are published from its first new packet on")
    func silent() throws {
        for restarts in [false, true] {
            var tape = try lost()
            try tape.take("a", [21], watermark: 21, sent: 21)
            try tape.take("a", [22, 23], watermark: 23, sent: 22)
            if restarts { try tape.restart() }
            // What its gateway had on disk. Windows up to its first watermark may be published, or
            // lack ticks.
            try tape.take("b", [1, 5, 6], watermark: 6, sent: 23)
            if restarts { try tape.restart() }
            try tape.take("b", [6, 7, 8], watermark: 9, sent: 24)
            #expect(tape.published("b") == [1, 6, 7, 8], "\(restarts)")
            try tape.take("a", [24], watermark: 24, sent: 24)
            #expect(tape.published("a") == Array(1...19) + [22, 23], "\(restarts)")
        }
    }

    @Test("all bars of a source that the line before never heard of are published")
    func new() throws {
        var tape = try lost()
        try tape.take("a", [21], watermark: 21, sent: 21)
        try tape.take("c", [3, 4], watermark: 5, sent: 22)
        #expect(tape.published("c") == [3, 4])
    }

    @Test("packets that the line before took, markers and watermarks decide nothing")
    func old() throws {
        let name = try #require(SourceName("a"))
        var earlier = EarlierSources([
            SourceOrdinal(source: name, epoch: 1, lastOrdinal: 6),
            SourceOrdinal(source: try #require(SourceName("b")), epoch: 1, lastOrdinal: 6),
        ])
        var header = PacketHeader(
            kind: .ticks, partition: Partition(0), source: name, epoch: 1, firstOrdinal: 3,
            watermark: Timestamp(nanoseconds: 8), sendTime: .undefined)
        func take() {
            let none: [UInt8] = []
            none.withRawSpan { earlier.take(header, $0, partition: nil) }
        }
        header.tickCount = 4
        take()
        header.firstOrdinal = 7
        header.watermark = SourceTable.noWatermark
        take()
        (header.watermark, header.kind) = (Timestamp(nanoseconds: 8), .watermark)
        take()
        header.kind = .ticks
        // Ticks are lost before it, and it has no time.
        header.firstOrdinal = 8
        take()
        #expect(earlier.publishFrom(name) == nil)
        header.firstOrdinal = 7
        take()
        #expect(earlier.publishFrom(name)?.nanoseconds == 8)
        header.firstOrdinal = 11
        header.watermark = Timestamp(nanoseconds: 9)
        take()
        #expect(earlier.publishFrom(name)?.nanoseconds == 8)
    }
}
