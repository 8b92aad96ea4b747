import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import Cockpit

@Suite("What is asked of the tape") struct TapeQuestionTests {
    private func question(_ parameters: [String: String]) throws -> TapeQuestion {
        try TapeQuestion(parameters, try #require(TapeNames(namespace: "md", partitions: 8)))
    }

    @Test("a symbol's partition is computed, and the subject is that of the source")
    func asked() throws {
        let names = try #require(TapeNames(namespace: "md", partitions: 8))
        let symbol = try #require(Symbol("BTC/USD"))
        let one = try question(["symbol": "BTC/USD", "count": "16"])
        #expect(one.partition == names.partition(of: symbol) && one.symbol == symbol)
        #expect(one.input == .ticks && one.seek == .newest && one.count == 16)
        #expect(one.subject(names) == "md.ticks.\(one.partition).*")
        #expect(one.stream(names) == names.tickStream(of: one.partition))
        let two = try question([
            "partition": "7", "source": "ibkr", "seek": "ordinal", "at": "18446744073709551615",
        ])
        #expect(two.seek == .ordinal(.max) && two.subject(names) == "md.ticks.7.ibkr")
        let three = try question([
            "input": "bars", "partition": "3", "seek": "time", "at": "2026-11-20T14:31:00Z",
        ])
        #expect(three.subject(names) == "md.bars.3" && three.stream(names) == "MD_BARS")
        #expect(three.seek == .time(try #require(ISOTime.parse("2026-11-20T14:31:00Z"))))
        let four = try question(["input": "bars", "source": "universe"])
        #expect(four.subject(names) == "md.all.universe")
        // Ordinals of bars are those of one source, which need not be named.
        #expect(
            try question(["input": "bars", "partition": "0", "seek": "ordinal", "at": "1"]).seek
                == .ordinal(1))
    }

    @Test(
        "what makes no sense is refused in one sentence",
        arguments: [
            ([:], "name a symbol or a partition"),
            (["input": "news", "partition": "1"], "ticks or bars"),
            (["partition": "8"], "from 0 to 7"), (["partition": "-1"], "from 0 to 7"),
            (["partition": "99999999999999999999"], "from 0 to 7"),
            (["partition": "٣"], "from 0 to 7"),
            (["symbol": "A\u{1}"], "control"),
            (["symbol": String(repeating: "x", count: 513)], "512 bytes"),
            (["partition": "1", "source": "A b"], "a source is a name"),
            (["partition": "1", "source": String(repeating: "x", count: 25)], "at most 24"),
            (["input": "bars", "partition": "1", "source": "ibkr"], "universe"),
            (["partition": "1", "seek": "soon"], "one seeks by"),
            (["partition": "1", "seek": "time", "at": "yesterday"], "2026-11-20T14:31:00Z"),
            (
                ["partition": "1", "seek": "time", "at": String(repeating: "0", count: 41)],
                "a time"
            ),
            (["partition": "1", "seek": "sequence", "at": "0"], "from 1 on"),
            (["partition": "1", "seek": "sequence", "at": "18446744073709551616"], "from 1 on"),
            (["partition": "1", "seek": "ordinal", "at": "5"], "name the source"),
            (["partition": "1", "count": "0"], "1 to 16 packets"),
            (["partition": "1", "count": "17"], "1 to 16 packets"),
            (["partition": "1", "count": ""], "1 to 16 packets"),
        ] as [([String: String], String)])
    func refused(parameters: [String: String], words: String) throws {
        let error = #expect(throws: QuestionRefusal.self) { try question(parameters) }
        let text = "\(try #require(error))"
        #expect(text.contains(words) && !text.contains("\n") && text.utf8.count < 200, "\(text)")
    }

    @Test("a partition that is not the symbol's is refused")
    func other() throws {
        let names = try #require(TapeNames(namespace: "md", partitions: 8))
        let partition = names.partition(of: try #require(Symbol("AAPL"))).number
        #expect(
            try question(["symbol": "AAPL", "partition": "\(partition)"]).partition.number
                == partition)
        let error = #expect(throws: QuestionRefusal.self) {
            try question(["symbol": "AAPL", "partition": "\((partition + 1) % 8)"])
        }
        #expect("\(try #require(error))".contains("AAPL is in partition \(partition)"))
    }
}

@Suite("Packets of the tape") struct TapeTests {
    /// Two sources on one partition: packets of 20 trades of A, then of B, prices as ordinals.
    private struct Scene {
        let server: NatsServer
        let tape: TestTape
        var one: TestSource
        var other: TestSource
        private let symbols: [UInt32]

        init() throws {
            server = try NatsServer()
            tape = try TestTape(server, namespace: "md")
            one = TestSource(tape, Partition(2), source: try #require(SourceName("one")))
            other = TestSource(tape, Partition(2), source: try #require(SourceName("two")))
            var symbols: [UInt32] = []
            for name in ["A", "B"] {
                symbols.append(
                    one.register(
                        SymbolDefinition(
                            symbol: try #require(Symbol(name)), provider: "made",
                            since: .undefined)))
            }
            self.symbols = symbols
        }

        mutating func publish(_ count: Int, symbol: Int = 0) throws -> UInt64 {
            for offset in 0..<count {
                let ordinal = Int64(one.nextOrdinal) + Int64(offset)
                let time = Timestamp(nanoseconds: 1_700_000_000_000_000_000 + ordinal)
                one.append(
                    Trade(
                        header: TickHeader(
                            symbol: symbols[symbol], providerTime: time, receiveTime: time),
                        price: Price(raw: ordinal * 1_000_000_000), size: Quantity(raw: 1)))
            }
            return try one.publish(watermark: .undefined)
        }

        func document(_ parameters: [String: String]) throws -> TapeDocument {
            try TapeReading(tape.client.jetStream, tape.names, SystemClock()).document(
                try TapeQuestion(
                    ["partition": "2", "count": "16"].merging(parameters) { $1 }, tape.names))
        }

        func sequences(_ parameters: [String: String]) throws -> [UInt64] {
            try document(parameters).packets.map(\.sequence)
        }
    }

    @Test("one seeks by ordinal, time, sequence, symbol, from the beginning and the end")
    func seek() throws {
        var scene = try Scene()
        #expect(try scene.document([:]).newest == nil)
        #expect(try scene.sequences(["seek": "beginning"]) == [])
        var stored: [UInt64] = []
        for number in 0..<6 { stored.append(try scene.publish(20, symbol: number % 2)) }
        let foreign = try scene.other.publish(watermark: .undefined)
        let all = stored + [foreign]
        #expect(try scene.sequences(["seek": "beginning"]) == all)
        #expect(try scene.sequences(["seek": "beginning", "count": "3"]) == Array(all.prefix(3)))
        #expect(try scene.sequences(["seek": "newest"]) == [foreign])
        #expect(try scene.sequences(["seek": "newest", "source": "one"]) == [stored[5]])
        #expect(
            try scene.sequences(["seek": "sequence", "at": "\(stored[4])"]) == Array(all[4...]))
        func ordinal(_ ordinal: Int) throws -> UInt64? {
            try scene.sequences(["seek": "ordinal", "at": "\(ordinal)", "source": "one"]).first
        }
        #expect(try [1, 20, 21, 60, 120].map(ordinal) == [0, 0, 1, 2, 5].map { stored[$0] })
        #expect(try ordinal(121) == nil)
        // By the time at which the tape stored a packet.
        let third = try #require(
            try scene.tape.client.jetStream.message(
                stream: scene.tape.names.tickStream(of: Partition(2)), sequence: stored[2]))
        #expect(
            try scene.sequences(["seek": "time", "at": third.time.description])
                == Array(all[2...]))
        #expect(try scene.sequences(["seek": "time", "at": "2200-01-01T00:00:00Z"]) == [])
        #expect(try scene.sequences(["input": "bars", "seek": "beginning"]) == [])
    }

    @Test("a packet is decoded beside its bytes, a symbol's ticks are chosen, and all has a bound")
    func decoded() throws {
        var scene = try Scene()
        let sequence = try scene.publish(20)
        let document = try scene.document(["seek": "beginning"])
        let packet = try #require(document.packets.first)
        #expect(packet.ticks.count == SeenPacket.ticksMax && packet.more == 4)
        #expect(packet.bytes.count == SeenPacket.bytesMax && packet.byteCount > 512)
        #expect(packet.ticks.map(\.ordinal) == (1...16).map { UInt64($0) })
        let tick = try #require(packet.ticks.last)
        #expect(tick.symbol == "A" && tick.kind == "trade")
        #expect(tick.fields.contains(.init(name: "price", text: "16")))
        let json = try JSONValue.parse(document.json)
        let shown = try #require(json["packets"]?.array?.first)
        #expect(shown["sequence"]?.uint64 == sequence && shown["more"]?.int == 4)
        #expect(shown["hex"]?.string?.utf8.count == 1_024)
        let header = shown["header"]?.array?.compactMap { $0.array?.compactMap(\.string) }
        #expect(header?.contains(["ordinals", "1 to 20"]) == true)
        #expect(header?.contains(["source", "one"]) == true)
        #expect(
            json["subject"]?.string == "md.ticks.2.*" && json["partition"]?.int == 2)
        // Of another symbol nothing is in it.
        let names = try #require(TapeNames(namespace: "md", partitions: 1))
        let other = SeenPacket(
            packetBytes(try scene.tape.tickPackets(Partition(2))), sequence: 1, subject: "s",
            time: .undefined, of: Symbol("B"))
        #expect(other.ticks.isEmpty && other.more == 0 && other.header != nil)
        #expect(names.partitions == 1)
    }

    private func packetBytes(_ packets: [TestTape.StoredPacket]) -> [UInt8] {
        packets.first?.payload ?? []
    }

    @Test("a marker says what it opens, and what cannot be read is shown by its bytes")
    func others() throws {
        var scene = try Scene()
        _ = try scene.one.publishMarker(lost: 1...4)
        let subject = scene.tape.names.ticks(Partition(2), try #require(SourceName("one")))
        _ = try TestSource.put(Array("broken".utf8), on: subject, of: scene.tape)
        let document = try scene.document(["seek": "beginning"])
        #expect(document.packets.count == 2)
        let marker = document.packets[0]
        #expect(marker.marker?.startOrdinal == 1 && marker.flags == ["opens an epoch"])
        #expect(marker.ticks.map(\.kind) == ["gap"])
        let broken = document.packets[1]
        #expect(broken.header == nil && broken.problem != nil && broken.ticks.isEmpty)
        let json = try JSONValue.parse(document.json)
        #expect(json["packets"]?.array?.last?["hex"]?.string == "62726f6b656e")
        #expect(json["packets"]?.array?.first?["marker"]?.array?.isEmpty == false)
    }
}
