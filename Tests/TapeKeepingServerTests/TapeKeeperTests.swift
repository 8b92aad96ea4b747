import MarketModel
import Membership
import MembershipTransport
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import TapeKeeping

/// The keeper's thread on a real server.
@Suite struct TapeKeeperTests {
    private static let streamBytes: Int64 = 2 << 20
    private let server: NatsServer
    private let tape: TestTape
    private let source: SourceName

    init() throws {
        server = try NatsServer()
        tape = try TestTape(server, namespace: "md", streams: false)
        try tape.client.ensureTickStreams(bytesMax: Self.streamBytes)
        source = try #require(SourceName("sim"))
    }

    /// Publishes packets without ticks (markers) until the stream holds this many bytes.
    private func fill(_ partition: Int, count: Int) throws -> [(UInt64, PacketHeader)] {
        let subject = tape.names.ticks(Partition(partition), source)
        var packets: [(UInt64, PacketHeader)] = []
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(partition), source: source)
        let symbol = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("A")), provider: "test",
                since: Timestamp(nanoseconds: 0)))
        var ordinal: UInt64 = 1
        for _ in 0..<count {
            for _ in 0..<100 {
                let header = TickHeader(
                    symbol: symbol, providerTime: Timestamp(nanoseconds: 1),
                    receiveTime: Timestamp(nanoseconds: 1))
                _ = builder.append(
                    Trade(header: header, price: Price(raw: 1), size: Quantity(raw: 1)))
            }
            let packet = builder.seal(
                PacketBuilder.Seal(
                    epoch: 1, firstOrdinal: ordinal, watermark: Timestamp(nanoseconds: 0),
                    sendTime: Timestamp(nanoseconds: 0)))
            ordinal += 100
            let bytes = packet.withBytes { span in (0..<span.byteCount).map { span.uint8(at: $0) } }
            let reply = try tape.client.connection.request(
                bytes, to: subject, timeout: patience)
            guard case .stored(let sequence, _) = JetStream.publishOutcome(of: reply) else {
                // The stream is full.
                return packets
            }
            packets.append((sequence, packet.header))
        }
        return packets
    }

    private func position(
        _ partition: Int, _ packet: (UInt64, PacketHeader), durable: UInt64
    ) throws -> ReaderPosition {
        let info = try #require(try tape.client.jetStream.streamInfo(tape.names.tickStream(0)))
        return ReaderPosition(
            partition: Partition(partition), input: .ticks, sequence: packet.0, durable: durable,
            sources: [],
            proof: ReaderPosition.Proof(streamCreated: info.created, packet: packet.1.identity))
    }

    private func info() throws -> StreamInfo {
        try #require(try tape.client.jetStream.streamInfo(tape.names.tickStream(0)))
    }

    @Test("it acts when it owns, purges to what was told, and says who is in the way")
    func all() throws {
        let registry = try GroupRegistry.make(tape.client)
        try registry.register(.store, reads: [.ticks])
        // Only partition 0 is in the stream, because the namespace has four.
        let packets = try fill(0, count: 1_000)
        let start = try info()
        let middle = packets.count / 2
        #expect(start.bytes > PurgeMarks(bytesMax: UInt64(Self.streamBytes)).startBytes)
        let keeper = try TapeKeeper(tape.client, keep: .zero)
        defer { keeper.stop() }
        let seen = { () throws -> JSONValue? in
            var json = JSONWriter(capacity: 256)
            json.object { keeper.write(into: &$0) }
            let streams = try JSONValue.parse(json.bytes)["streams"]?.array
            return streams?.first { $0["stream"]?.string == "MD_TICKS_0" }
        }
        keeper.port.steady(until: .never)
        #expect(
            keeper.port.send(
                .take(
                    Partition(0),
                    Claim(tenure: 1, epoch: 5, previous: nil, wasReleased: false))))
        var news: [OwnershipAnswer] = []
        #expect(
            eventually {
                keeper.port.takeAnswers(into: &news)
                return news == [.opened(Partition(0), tenure: 1, epoch: 5)]
            })
        #expect(try eventually { try seen()?["held_by_group"]?.string == "store" })
        #expect(try info().firstSequence == 1, "nothing was told yet")
        // The reader is in the middle, but may read again from an earlier position.
        try registry.record(
            [try position(0, packets[middle + 10], durable: packets[middle].0)], of: .store,
            told: Timestamp(nanoseconds: 1))
        let goal = PurgeMarks(bytesMax: UInt64(Self.streamBytes)).goalBytes
        #expect(eventually { (try? info().bytes <= goal) == true })
        let left = try info()
        #expect(left.firstSequence > 1 && left.firstSequence <= packets[middle].0)
        #expect(
            try eventually {
                try seen()?["held_by"] == .null && (seen()?["purged_messages"]?.int ?? 0) > 0
            }
        )
        _ = keeper.port.send(.release(Partition(0), tenure: 1))
        #expect(
            eventually {
                keeper.port.takeAnswers(into: &news)
                return news.last == .released(Partition(0), tenure: 1)
            })
    }
}
