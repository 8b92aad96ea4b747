import TapeTransport
import MarketModel
import NatsTransport
import OperatorGraph
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import StreamCore
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import ProviderGateway

/// The letters in a tape's stream of dead letters.
struct LettersOnTape {
    var letters: [DeadLetter] = []
    var subjects: Set<String> = []

    init(_ tape: TestTape) throws {
        let stream = tape.names.deadLetterStream
        guard let info = try tape.client.jetStream.streamInfo(stream), info.messages > 0 else {
            return
        }
        for sequence in info.firstSequence...info.lastSequence {
            guard
                let message = try tape.client.jetStream.message(stream: stream, sequence: sequence)
            else { continue }
            subjects.insert(message.subject)
            letters.append(try DeadLetter(json: message.payload))
        }
    }

    static func count(_ tape: TestTape) -> UInt64 {
        do {
            return try tape.client.jetStream.streamInfo(tape.names.deadLetterStream)?.messages ?? 0
        } catch {
            return 0
        }
    }
}

@Suite("A clock that is an hour ahead")
struct FutureTickTests {
    /// Returns all bars that result from the ticks and watermarks on the tape.
    private func bars(_ tape: TestTape) throws -> [(symbol: String, bar: Bar)] {
        let program = GraphProgram(.simple(try BarSeriesSet(["1s"])))
        var found: [(symbol: String, bar: Bar)] = []
        for number in 0..<tape.names.partitions {
            let partition = Partition(number)
            var machine = GraphMachine(program)
            var output = GraphOutput()
            for packet in try tape.packets(stream: tape.names.tickStream(of: partition))
            where packet.header.kind == .watermark || packet.header.partition == partition {
                packet.payload.withRawSpan { span in
                    _ = machine.take(packet.header, span, into: &output)
                }
                #expect(output.late.isEmpty)
                found += output.bars.map {
                    (machine.symbols.pair(at: $0.symbol).symbol.text, $0)
                }
                output.removeAll()
            }
        }
        return found
    }

    @Test("row 20: a source clock +1 h: its ticks are letters, and the bars of all others go on")
    func oneSymbol() throws {
        let tape = try TestTape.shared("future1")
        let gateway = try TestGateway(
            tape,
            [
                "SYNTHETIC_RATE": "2000", "SYNTHETIC_TICKS": "6000", "SYNTHETIC_AHEAD": "1h",
                "SYNTHETIC_AHEAD_SYMBOLS": "TSLA",
            ])
        let market = SyntheticMarket(try gateway.settings.market)
        let tesla = try #require(market.settings.symbols.firstIndex { $0.text == "TSLA" })
        let ahead = (0..<6_000 as Range<UInt64>).filter { market.symbol(ofTick: $0) == tesla }
        let right = (0..<6_000 as Range<UInt64>).filter { market.symbol(ofTick: $0) != tesla }
        let running = try gateway.start()
        let source = gateway.settings.source
        #expect(try eventually { try SourceOnTape(tape).count == right.count })
        #expect(eventually { LettersOnTape.count(tape) == ahead.count })
        let end = SystemClock().now()
        #expect(
            try eventually {
                try TapeAudit.watermark(tape, source) > end.advanced(byNanoseconds: 2_000_000_000)
            }, "the watermark goes on")
        #expect(try running.stop() == .success)

        let onTape = try SourceOnTape(tape)
        #expect(onTape.problems.isEmpty && onTape.all == right)
        let found = try LettersOnTape(tape)
        #expect(found.subjects == ["future1.dlq.gateway"])
        for letter in found.letters {
            #expect(letter.reason == .future && letter.symbol == "TSLA" && letter.count == 1)
            #expect(letter.eventTime > end && !letter.place.isOnTape)
        }
        #expect(Set(found.letters.map(\.id)).count == ahead.count)
        let bars = try bars(tape)
        #expect(
            Set(bars.map(\.symbol))
                == Set(market.settings.symbols.map(\.text)).subtracting(["TSLA"]))
        #expect(bars.reduce(0) { $0 + $1.bar.trades } == trades(right, market))
        #expect(bars.allSatisfy { $0.bar.openTime < end })
        expectKept(running, ahead.count)
    }

    private func trades(_ indexes: [UInt64], _ market: SyntheticMarket) -> UInt64 {
        UInt64(indexes.filter { market.isTrade(tick: $0) }.count)
    }

    /// Expects that so many ticks of the future are kept as letters, and no letter is lost.
    private func expectKept(_ running: RunningService, _ count: Int) {
        let label = "{source=\"synthetic\"}"
        #expect(running.service.metric("mds_gateway_future_ticks_total\(label)") == Double(count))
        #expect(running.service.metric("mds_gateway_letters_lost_total\(label)") == 0)
        #expect(running.service.metric("mds_gateway_watermark_held\(label)") == 0)
        let kept = ["trades", "quotes"].compactMap {
            running.service.metric("mds_dead_letters_total{reason=\"future\",sink=\"\($0)\"}")
        }
        #expect(kept.reduce(0, +) == Double(count))
        #expect(running.log.count(of: "gateway.letters_lost") == 0)
        // One burst, however many ticks it has: at most its begin and its end are reported.
        #expect((1...2).contains(running.log.count(of: "gateway.future_ticks")))
    }

    @Test("row 20: all of a source is ahead: nothing is on the tape, and the watermark is held")
    func all() throws {
        let tape = try TestTape.shared("future2")
        let running = try TestGateway(
            tape, ["SYNTHETIC_RATE": "200", "SYNTHETIC_AHEAD": "1h"]
        ).start()
        let held = "mds_gateway_watermark_held{source=\"synthetic\"}"
        #expect(eventually { running.service.metric(held) == 1 })
        let source = try #require(SourceName("synthetic"))
        let before = try TapeAudit.watermark(tape, source)
        let count = LettersOnTape.count(tape)
        #expect(eventually { LettersOnTape.count(tape) > count + 200 })
        #expect(try SourceOnTape(tape).count == 0)
        #expect(try TapeAudit.watermark(tape, source) <= max(before, SystemClock().now()))
        #expect(try running.stop() == .success)
        let now = SystemClock().now()
        let last = try TapeAudit.watermark(tape, source)
        #expect(now.nanoseconds(since: last) > 500_000_000, "it stood still for the last ticks")
    }
}

@Suite("Letters of ticks that are ahead of the time")
struct FutureLetterTests {
    private let time = Timestamp(nanoseconds: 1_700_000_000_000_000_000)

    private func refused(
        id: UInt64, received: Int64 = 0, price: Int64 = 5
    ) throws -> FutureLetters.Refused {
        FutureLetters.Refused(
            record: .trade(
                Trade(
                    header: TickHeader(
                        symbol: 7, providerTime: time.advanced(byNanoseconds: 3_600_000_000_000),
                        receiveTime: time.advanced(byNanoseconds: received), providerID: id),
                    price: Price(raw: price), size: Quantity(raw: 1))),
            source: try #require(SourceName("synthetic")), symbol: try #require(Symbol("AAPL")),
            provider: "synthetic", partition: Partition(1),
            epoch: 3, noted: time,
            aheadNanoseconds: 3_600_000_000_000)
    }

    private func letters(
        _ tape: TestTape, _ environment: [String: String] = [:]
    ) throws -> (letters: FutureLetters, service: TestService) {
        let service = try TestService(
            Main.description, tape.environment.merging(environment) { $1 })
        let settings = try GatewaySettings(service.context.configuration)
        return (
            try FutureLetters(
                settings, client: try tape.connect(service), context: service.context), service
        )
    }

    @Test("what the provider says of a tick decides its id, and its payload is the tick")
    func identity() throws {
        let tape = try TestTape(NatsServer(), namespace: "letters1")
        let (letters, _) = try letters(tape)
        defer { letters.stop() }
        let one = letters.letter(try refused(id: 9))
        #expect(one.id == letters.letter(try refused(id: 9, received: 5)).id)
        #expect(one.id != letters.letter(try refused(id: 10)).id)
        #expect(one.id != letters.letter(try refused(id: 9, price: 6)).id)
        #expect(one.id.hasPrefix("provider/1/synthetic/") && one.id.hasSuffix("/0"))
        #expect(one.sink == "trades" && one.owner == "gateway")
        // Without a provider id, two identical ticks are two letters.
        #expect(
            letters.letter(try refused(id: 0)).id
                != letters.letter(try refused(id: 0, received: 5)).id)
        #expect(try DeadLetter(json: one.json) == one)
        let tick = try one.payload.withRawSpan { packet throws(PacketError) in
            let header = try PacketReader.validate(packet)
            #expect(header.firstOrdinal == one.place.ordinal && header.tickCount == 1)
            var cursor = RecordCursor()
            var found: Trade?
            while let record = cursor.next(in: packet) {
                if case .trade(let trade) = record { found = trade }
            }
            return found
        }
        #expect(tick?.header.eventTime == one.eventTime && tick?.header.providerID == 9)
        #expect(tick?.header.receiveTime == time && tick?.price == Price(raw: 5))
    }

    @Test("NATS is away: into files, and the next gateway puts them onto the stream")
    func files() throws {
        let nats = try NatsServer()
        let folder = try TemporaryFolder("future")
        let tape = try TestTape(nats, namespace: "letters2")
        let environment = ["GATEWAY_DEAD_LETTERS": folder.file("kept")]
        let (away, service) = try letters(tape, environment)
        nats.kill()
        for id in 1...3 as ClosedRange<UInt64> { away.refuse(try refused(id: id)) }
        #expect(eventually { (service.metric("mds_dead_letters_pending_files") ?? 0) > 0 })
        away.stop()
        #expect(service.metric("mds_gateway_letters_lost_total{source=\"synthetic\"}") == 0)
        #expect(service.metric("mds_dead_letters_total{reason=\"future\",sink=\"trades\"}") == 3)
        try nats.start()
        let (back, _) = try letters(tape, environment)
        defer { back.stop() }
        #expect(eventually { LettersOnTape.count(tape) == 3 })
    }

    @Test("neither NATS nor a folder: counted as lost, and told once")
    func lost() throws {
        let nats = try NatsServer()
        let tape = try TestTape(nats, namespace: "letters3")
        let (letters, service) = try letters(tape)
        nats.kill()
        for id in 1...5 as ClosedRange<UInt64> { letters.refuse(try refused(id: id)) }
        let lost = "mds_gateway_letters_lost_total{source=\"synthetic\"}"
        #expect(eventually { service.metric(lost) == 5 })
        letters.stop()
        #expect(service.log.count(of: "gateway.letters_lost") == 1)
    }
}
