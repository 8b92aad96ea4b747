import MarketModel
import Primitives
import TapeCodec
import Testing

@testable import TapeTraces

@Suite("The spans of a packet")
struct PacketTraceTests {
    private static let start = Timestamp(nanoseconds: 1_750_000_000_000_000_000)

    private static func after(_ milliseconds: Int64) -> Timestamp {
        start.advanced(byNanoseconds: milliseconds * 1_000_000)
    }

    /// A packet with a trade that came after 10 ms, sealed after 15 ms.
    private func packet() throws -> SealedPacket {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(3), source: try #require(SourceName("ibkr")))
        let symbol = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("AAPL")), provider: "ibkr", since: .undefined))
        let isIn = builder.append(
            Trade(
                header: TickHeader(
                    symbol: symbol, providerTime: Self.start, receiveTime: Self.after(10)),
                price: try Price("10"), size: try Quantity("5")))
        try #require(isIn)
        return builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1_040, watermark: Self.start, sendTime: Self.after(15)))
    }

    private func read(
        _ reason: PacketTrace.Reason?, _ step: TraceStep = .store("store"), isDrawn: Bool = false,
        worked: Timestamp = .undefined
    ) throws -> [Span] {
        let packet = try packet()
        let trace = PacketTrace(
            TraceID(namespace: 7, packet.header), packet.header, reason, isDrawn: isDrawn)
        return trace.read(step, try way(), worked: worked)
    }

    private func way() throws -> PacketTrace.Way {
        let received = try packet().withBytes { PacketTrace.firstReceived($0) }
        return PacketTrace.Way(
            received: received, stored: Self.after(20), from: Self.after(50), to: Self.after(90))
    }

    private func value(_ key: String, _ span: Span) -> Span.Value? {
        span.attributes.first { $0.key == key }?.value
    }

    @Test("of a packet that was drawn a reader sends its own span alone, with what it found")
    func drawn() throws {
        for reason in [nil, PacketTrace.Reason.slow] {
            let spans = try read(reason, isDrawn: true)
            #expect(spans.map(\.name) == ["write store"])
            #expect(spans[0].start == Self.after(50) && spans[0].end == Self.after(90))
            #expect(value("tapeline.ordinal", spans[0]) == .integer(1_040))
            #expect(value("messaging.batch.message_count", spans[0]) == .integer(1))
            let slow: Span.Value? = reason == nil ? nil : .flag(true)
            #expect(value("tapeline.slow", spans[0]) == slow)
            #expect(spans[0].failure == nil)
            let publish = TraceID(namespace: 7, try packet().header).span(.publish)
            #expect(spans[0].parent == publish)
        }
    }

    @Test("of one that a writer found it sends the gateway's spans and the operator's, computed")
    func found() throws {
        let spans = try read(.slow, worked: Self.after(70))
        #expect(spans.map(\.name) == ["receive", "publish", "process", "write store"])
        let starts: [Int64] = [10, 15, 20, 50]
        #expect(spans.map(\.start) == starts.map { Self.after($0) })
        let ends: [Int64] = [15, 20, 70, 90]
        #expect(spans.map(\.end) == ends.map { Self.after($0) })
        #expect(
            spans.map(\.computedFor)
                == ["provider-gateway", "provider-gateway", "operator-worker", nil])
        #expect(
            spans.map { value("tapeline.computed", $0) == .flag(true) }
                == [true, true, true, false])
        #expect(value("tapeline.slow", spans[3]) == .flag(true))
        #expect(
            spans.map(\.parent) == [0, spans[0].id, spans[1].id, spans[1].id])
    }

    @Test("what the tape does not say is a span without a length that says so")
    func unknown() throws {
        let spans = try read(.refused(1))
        #expect(spans[2].start == Self.after(20) && spans[2].end == Self.after(20))
        #expect(
            spans.map { value("tapeline.known", $0) } == [nil, nil, .flag(false), nil])
    }

    @Test("an operator does not know when a packet is written; a writer adds its span to that")
    func completed() throws {
        let spans = try read(.late(1), .process)
        #expect(spans.map(\.name) == ["receive", "publish", "process"])
        #expect(spans[2].computedFor == nil)
        #expect(value("tapeline.written", spans[2]) == .text("not known yet"))
        let header = try packet().header
        let added = PacketTrace(TraceID(namespace: 7, header), header, nil)
            .completed(.store("store"), try way())
        #expect(added.map(\.name) == ["write store"] && added[0].parent == spans[1].id)
    }

    @Test("no two services send one id: all find a packet, and each computes the others' spans")
    func ids() throws {
        let packet = try packet()
        let trace = PacketTrace(TraceID(namespace: 7, packet.header), packet.header, .slow)
        let own = trace.published(tickNanoseconds: 12_000_000, acknowledged: Self.after(22))
        let all =
            try own + read(.slow, .process) + read(.slow) + read(.slow, .store("clickhouse"))
        #expect(all.count == 13 && Set(all.map(\.id)).count == 13)
        #expect(Set(all.map(\.trace)).count == 1)
    }

    @Test("of a packet of the spool the gateway does not know when its ticks came")
    func spooled() throws {
        let packet = try packet()
        let trace = PacketTrace(
            TraceID(namespace: 7, packet.header), packet.header, nil, isDrawn: true)
        let own = trace.published(tickNanoseconds: 12_000_000, acknowledged: Self.after(22))
        #expect(own.map(\.start) == [Self.after(10), Self.after(15)])
        #expect(own[1].end == Self.after(22))
        let spooled = trace.published(tickNanoseconds: nil, acknowledged: Self.after(22))
        #expect(spooled.map(\.name) == ["publish"])
    }

    @Test("late ticks are counted, and refused rows make the span a failure")
    func reasons() throws {
        let late = try read(.late(4))
        #expect(value("tapeline.late", late[3]) == .integer(4) && late[3].failure == nil)
        let refused = try read(.refused(2))
        #expect(value("tapeline.refused", refused[3]) == .integer(2))
        #expect(refused[3].failure?.contains("2 rows") == true)
    }

    @Test("a clock that went back makes no span that ends before it begins")
    func backwards() throws {
        let trace = TraceID(high: 1, low: 2)
        let span = Span(.publish, of: trace, from: Self.after(5), to: Self.start)
        #expect(span.end == span.start)
    }
}
