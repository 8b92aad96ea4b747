import MarketModel
import NatsTransport
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

@Suite("Reading a tape for its gaps")
struct GapRecoveryTests {
    private func longTape(_ namespace: String) throws -> LongTape {
        try LongTape(TestTape(NatsServer.shared(), namespace: namespace, partitions: 8))
    }

    @Test("a long tape of which nothing is noted is read in windows, and each packet is taken once")
    func nothingNoted() throws {
        var long = try longTape("recovery1")
        try long.write(1_500)
        let (recovery, rounds) = try long.recovery()
        #expect(recovery.packets == 12_000)
        // Each round waits for the server once.
        #expect(rounds < recovery.packets / 75)
        #expect(recovery.holes.isEmpty)
        try long.expectAll(recovery.ledgers)
    }

    @Test("what is noted is not read again, for another partition of the stream neither")
    func noted() throws {
        var long = try longTape("recovery2")
        try long.write(300)
        var noted = try long.recovery().recovery.ledgers
        #expect(try long.recovery(noted).recovery.packets == 0)
        try long.write(100)
        noted[Partition(1)] = nil
        let (recovery, _) = try long.recovery(noted)
        #expect(recovery.packets == 7 * 100 + 400)
        #expect(recovery.holes.isEmpty)
        try long.expectAll(recovery.ledgers)
    }

    @Test("packets that are gone are a hole of their partition alone")
    func purged() throws {
        var long = try longTape("recovery3")
        try long.write(200)
        let names = long.tape.names
        let (middle, end) = (Partition(2), Partition(5))
        let packets = try long.tape.tickPackets(end)
            .filter { $0.subject == names.ticks(end, long.source) }
        for packet in packets[120..<130] {
            _ = try long.tape.client.jetStream.deleteMessage(
                stream: names.tickStream(of: end), sequence: packet.sequence)
        }
        _ = try long.tape.client.jetStream.purge(
            stream: names.tickStream(of: middle), subject: names.ticks(middle, long.source),
            below: 150)
        let (recovery, _) = try long.recovery()
        #expect(Set(recovery.holes) == [middle, end])
        #expect(recovery.holes.count == 2)
        #expect(recovery.ledgers[end]?.isWhole == false)
        let lost = long.partitions[end.number].fold(without: 120..<130)
        #expect(recovery.ledgers[end]?.entries == lost.entries)
        #expect(recovery.ledgers[Partition(0)]?.isWhole == true)
    }

    @Test("a gateway with a long tape and no notes hands over its gaps and puts none on record")
    func gateway() throws {
        var long = try longTape("recovery4")
        try long.write(200)
        let symbols = long.symbols.flatMap { $0 }
        let script = FeedScript(tape: long.tape)
        let before = try script.feedOnTape().gaps
        let wanted = long.partitions.flatMap { $0.fold().missing }.map { symbol, part in
            "\(symbol.text) \(part.from.nanoseconds)-\(part.to.nanoseconds)"
        }
        #expect(wanted.count == 8 * 2 * 2)
        let tenure = try script.open(symbols.map(\.text) + ["NEW"])
        let order = tenure.began.order
        let handed = order.gaps.map { gap in
            let symbol = symbols[Int(gap.instrument)].text
            return "\(symbol) \(gap.from.nanoseconds)-\(gap.to.nanoseconds)"
        }
        #expect(handed.sorted() == wanted.sorted())
        // The last instrument was not requested before.
        let wasAsked = symbols.map { _ in true } + [false]
        #expect(order.reached.map(\.isDefined) == wasAsked)
        #expect(try tenure.running.stop() == .success)
        #expect(try script.feedOnTape().gaps == before)
    }
}
