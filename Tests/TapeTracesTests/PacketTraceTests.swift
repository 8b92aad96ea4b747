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

    private func read(_ reason: PacketTrace.Reason?) throws -> [Span] {
        let packet = try packet()
        let trace = PacketTrace(
            TraceID(namespace: 7, packet.header), packet.header, reason)
        return packet.withBytes {
            trace.read(
                .store("store"), from: Self.after(50), to: Self.after(90), stored: Self.after(20),
                $0)
        }
    }

    private func value(_ key: String, _ span: Span) -> Span.Value? {
        span.attributes.first { $0.key == key }?.value
    }

    @Test("of a packet that was drawn a reader sends its own span alone")
    func drawn() throws {
        let spans = try read(nil)
        #expect(spans.map(\.name) == ["write store"])
        #expect(spans[0].start == Self.after(50) && spans[0].end == Self.after(90))
        #expect(value("tapeline.ordinal", spans[0]) == .integer(1_040))
        #expect(value("messaging.batch.message_count", spans[0]) == .integer(1))
        #expect(spans[0].failure == nil)
    }

    @Test("of one that was found it sends the gateway's spans, too, marked as computed")
    func found() throws {
        let spans = try read(.slow)
        #expect(spans.map(\.name) == ["receive", "publish", "write store"])
        #expect(spans.map(\.start) == [Self.after(10), Self.after(15), Self.after(50)])
        #expect(spans.map(\.end) == [Self.after(15), Self.after(20), Self.after(90)])
        #expect(
            spans.map { value("tapeline.computed", $0) } == [.flag(true), .flag(true), nil])
        #expect(value("tapeline.slow", spans[2]) == .flag(true))
        #expect(spans[2].parent == spans[1].id && spans[1].parent == spans[0].id)
    }

    @Test("the gateway's own spans have the ids of those that others compute")
    func agree() throws {
        let packet = try packet()
        let trace = PacketTrace(TraceID(namespace: 7, packet.header), packet.header, nil)
        let own = trace.published(tickNanoseconds: 12_000_000, acknowledged: Self.after(22))
        #expect(try own.map(\.id) == read(.slow).prefix(2).map(\.id))
        #expect(own.map(\.start) == [Self.after(10), Self.after(15)])
        #expect(own[1].end == Self.after(22))
        // Of a packet of the spool it is not known when its ticks came.
        let spooled = trace.published(tickNanoseconds: nil, acknowledged: Self.after(22))
        #expect(spooled.map(\.name) == ["publish"])
    }

    @Test("late ticks are counted, and refused rows make the span a failure")
    func reasons() throws {
        let late = try read(.late(4))
        #expect(value("tapeline.late", late[2]) == .integer(4) && late[2].failure == nil)
        let refused = try read(.refused(2))
        #expect(value("tapeline.refused", refused[2]) == .integer(2))
        #expect(refused[2].failure?.contains("2 rows") == true)
    }

    @Test("a clock that went back makes no span that ends before it begins")
    func backwards() throws {
        let trace = TraceID(high: 1, low: 2)
        let span = Span(.publish, of: trace, from: Self.after(5), to: Self.start)
        #expect(span.end == span.start)
    }
}
