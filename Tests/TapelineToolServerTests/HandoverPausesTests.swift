import MarketModel
import Membership
import NatsTransport
import Primitives
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// How long the tape stood still for a change of owners, on a real server.
@Suite("Pauses of the tape") struct HandoverPausesTests {
    private func tape(_ namespace: String) throws -> TestTape {
        try TestTape(NatsServer.shared(), namespace: namespace, partitions: 4)
    }

    private func time(_ tape: TestTape, _ stream: String, _ sequence: UInt64) throws -> Timestamp {
        try #require(try tape.client.jetStream.message(stream: stream, sequence: sequence)).time
    }

    /// Publishes a bar.
    private func say(_ lane: inout TestSource) throws -> UInt64 {
        let symbol = lane.register(
            SymbolDefinition(
                symbol: try #require(Symbol("AAPL")), provider: "made", since: .undefined,
                source: SourceName("test")))
        let series = lane.register(
            SeriesDefinition(
                name: try #require(SeriesName("1s")), widthNanoseconds: 1_000_000_000))
        lane.append(
            Bar(
                symbol: symbol, series: series, openTime: Timestamp(nanoseconds: 0),
                closeTime: Timestamp(nanoseconds: 1_000_000_000)))
        return try lane.publish(watermark: .undefined)
    }

    @Test("from the last packet of an operator to the first one of the next, for each partition")
    func operators() throws {
        let tape = try tape("pause_a")
        var lanes = (0..<4).map {
            TestSource(tape, Partition($0), source: .operator, kind: .bars)
        }
        for index in 0..<3 { _ = try say(&lanes[index]) }
        // Partition 3 has no bar, and so nothing that could pause.
        try lanes[3].open(after: 0)
        try lanes[3].publish(watermark: .undefined)
        // A packet without bars is no end of what was said.
        try lanes[1].publish(watermark: .undefined)
        let held = [0, 1, 3].map { Partition($0) }
        var pauses = try HandoverPauses([.store, .operators], { _ in held }, tape.client)
        func look() throws -> HandoverPauses.Answer {
            try pauses.look { false }
            #expect(pauses.answers.map(\.group) == [.operators])
            return try #require(pauses.answers.first)
        }
        let silent = try look()
        #expect(silent.waiting == 2 && silent.nanoseconds == nil && !silent.isWhole)
        #expect(silent.text.hasPrefix("operator: the pause is not known"))

        // The owner before says two more things, after the epochs were noted.
        _ = try say(&lanes[0])
        #expect(try look() == silent)
        let last = try say(&lanes[0])
        // An owner that opens and says nothing is no end of the pause.
        let opening = try lanes[0].open(after: lanes[0].publish(watermark: .undefined))
        #expect(try look() == silent)
        try lanes[0].open(after: opening)
        try lanes[0].publish(watermark: .undefined)
        #expect(try look() == silent)
        let first = try say(&lanes[0])
        _ = try say(&lanes[0])
        // Another partition changes its owner, which was not asked about.
        try lanes[2].open(after: 0)
        _ = try say(&lanes[2])

        let half = try look()
        let stream = tape.names.barStream
        let pause = try time(tape, stream, first).nanoseconds(since: time(tape, stream, last))
        #expect(half.nanoseconds == pause && half.partition == Partition(0) && pause > 0)
        #expect(half.changed == 1 && half.waiting == 1 && !half.isWhole)
        #expect(half.text.contains("at most (partition 0, of 1), for 0"))
        #expect(half.middle == pause)
        #expect(half.text.hasSuffix("; nothing was published yet in 1 others"))
        try lanes[1].open(after: say(&lanes[1]))
        _ = try say(&lanes[1])
        let whole = try look()
        #expect(whole.isWhole && whole.changed == 2 && (whole.nanoseconds ?? 0) >= pause)
        var json = JSONWriter()
        whole.report(into: &json)
        #expect(json.text.hasPrefix(#"{"group":"operator","seconds":"#))
        // Nothing is read when somebody wants it to end.
        var ended = try HandoverPauses([.operators], { _ in held }, tape.client)
        try lanes[0].open(after: 0)
        _ = try say(&lanes[0])
        try ended.look { true }
        #expect(ended.answers.first?.changed == 0)
    }

    @Test("a source stands still when all of its partitions do; a standby has nothing to hand over")
    func sources() throws {
        let tape = try tape("pause_b")
        let name = try #require(SourceName("feed"))
        let group = GroupName.source(name)
        #expect(group.source == name && GroupName.store.source == nil)
        var quiet = TestSource(tape, Partition(0), source: name)
        var busy = TestSource(tape, Partition(1), source: name)
        let symbol = SymbolDefinition(
            symbol: try #require(Symbol("AAPL")), provider: "made", since: .undefined)
        func tick(_ source: inout TestSource) throws -> UInt64 {
            _ = source.register(symbol)
            source.append(TailBench.trade(0, 1))
            return try source.publish(watermark: .undefined)
        }
        let early = try tick(&quiet)
        _ = try tick(&busy)
        #expect(try HandoverPauses([group], { _ in [] }, tape.client).answers.isEmpty)
        var pauses = try HandoverPauses([group, .keepers], { _ in [Partition(0)] }, tape.client)
        // The partition that was busy until the end is silent afterwards.
        let last = try tick(&busy)
        try quiet.open(after: early)
        // The next owner says first what was missed, which is no end of the pause.
        quiet.append { builder in
            builder.append(
                GapRecord(
                    header: TickHeader(
                        symbol: TickHeader.noSymbol, providerTime: .undefined,
                        receiveTime: Timestamp(nanoseconds: 9)),
                    from: .undefined, to: Timestamp(nanoseconds: 9), kind: .any,
                    reason: .gatewayLost, state: .open)) == .appended
        }
        try quiet.publish(watermark: .undefined)
        try pauses.look { false }
        #expect(pauses.answers.first?.isWhole == false)
        let first = try tick(&quiet)
        try pauses.look { false }
        let answer = try #require(pauses.answers.first)
        let pause = try time(tape, tape.names.tickStream(of: Partition(0)), first)
            .nanoseconds(since: time(tape, tape.names.tickStream(of: Partition(1)), last))
        #expect(answer.nanoseconds == pause && answer.isWhole && answer.partition == nil)
        #expect(answer.text.hasPrefix("source-feed: the tape stood still for 0"))
    }
}
