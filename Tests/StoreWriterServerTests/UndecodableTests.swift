import TapeTransport
import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreSinks
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Ticks of which no row can be made")
struct UndecodableTests {
    private static let tradeBytes = WireFormat.messageHeaderBytes + WireFormat.Block.trade

    /// Returns ten trades, of which the last four are cut off in the middle of one.
    private func torn(_ scene: StoreScene) -> [UInt8] {
        let packet = scene.packets([Int64](repeating: 1, count: 10))[0]
        return PacketBuilder.checked(Array(packet.dropLast(3 * Self.tradeBytes + 20)))
    }

    @Test("a damaged packet: what can be read is rows, the rest is one letter, the books balance")
    func damaged() throws {
        let scene = try StoreScene("writer_ud1")
        let outcome = try scene.write([torn(scene)] + scene.packets([2, 3]))
        #expect(outcome.counts.map(\.written) == [6, 2])
        #expect(outcome.counts.map(\.deadLettered) == [4, 0])
        #expect(try scene.books() == "1|12|8|4|0|0|0")
        let letter = try #require(try scene.letters().first)
        #expect(letter.reason == .undecodable && letter.sink.isEmpty && letter.symbol.isEmpty)
        #expect(letter.id == "ticks/1/test/7/3" && letter.count == 4)
        #expect(letter.payload.count == Self.tradeBytes - 20 && !letter.isTruncated)
        #expect(letter.refusal.message.contains("the packet ends inside a message"))
        #expect(
            scene.service.metric(
                "mds_dead_letters_total{reason=\"undecodable\",sink=\"unknown\"}") == 4)
    }

    @Test("the same beside a row that the database refuses")
    func damagedAndRefused() throws {
        let scene = try StoreScene("writer_ud2")
        try scene.psql("ALTER TABLE trade_rows ADD CONSTRAINT no_poison CHECK (price <> 666)")
        let outcome = try scene.write(
            scene.packets([1, 666, 1]) + [torn(scene)] + scene.packets([2, 3]))
        #expect(outcome.counts.map(\.deadLettered) == [1, 4, 0])
        #expect(try scene.books() == "1|15|10|5|0|0|0")
        #expect(try Set(scene.letters().map(\.reason)) == [.data, .undecodable])
        try scene.expect("SELECT count(*) FROM trades", "10")
    }

    @Test("more ticks than the header says have no ordinals; fewer are missing ones")
    func wrongCounts() throws {
        let scene = try StoreScene("writer_ud3")
        var packet = scene.packets([1, 2, 3, 4])[0]
        packet[WireFormat.HeaderOffset.tickCount] = 3
        try scene.write([PacketBuilder.checked(packet)])
        #expect(try scene.books() == "1|3|3|0|0|0|0")
        packet[WireFormat.HeaderOffset.tickCount] = 9
        packet[WireFormat.HeaderOffset.firstOrdinal] = 4
        try scene.write([PacketBuilder.checked(packet)])
        #expect(try scene.books() == "1|12|7|5|0|0|0")
        let letter = try #require(try scene.letters().first)
        #expect(letter.place.ordinal == 8 && letter.count == 5 && letter.payload.isEmpty)
    }

    @Test("a tick whose symbol is not defined is a letter; the others are rows")
    func undefinedSymbol() throws {
        let scene = try StoreScene("writer_ud4")
        var packet = scene.packets([1, 2, 3])[0]
        // The second trade's symbol index.
        packet[packet.count - 2 * Self.tradeBytes + WireFormat.messageHeaderBytes] = 99
        try scene.write([PacketBuilder.checked(packet)])
        #expect(try scene.books() == "1|3|2|1|0|0|0")
        let letter = try #require(try scene.letters().first)
        #expect(letter.reason == .undecodable && letter.sink == "trades" && letter.symbol.isEmpty)
        #expect(letter.place.ordinal == 2 && letter.eventTime.nanoseconds == StoreScene.time)
    }

    @Test("a damaged packet on the tape does not stop the writer's reader")
    func reader() throws {
        let bench = try WriterBench("writer_ud5")
        var source = try bench.source(1)
        let running = try bench.start()
        WriterBench.fill(&source, ticks: 8)
        let whole = source.seal(watermark: Timestamp(nanoseconds: 0)).bytes
        try TestSource.put(
            PacketBuilder.checked(Array(whole.dropLast(Self.tradeBytes))),
            on: bench.tape.names.ticks(Partition(1), source.source), of: bench.tape)
        WriterBench.fill(&source, ticks: 4)
        try source.publish(watermark: Timestamp(nanoseconds: 0))
        try bench.database.expectSoon(
            "SELECT last_ordinal, written, dead_lettered, missing FROM sink_audit", "12|11|1|0")
        #expect(eventually { running.isReady }, "\(running.reasons)")
        #expect(try running.stop() == .success)
        let info = try bench.tape.client.jetStream.streamInfo(bench.tape.names.deadLetterStream)
        #expect(info?.messages == 1)
    }
}
