import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import Testing

@testable import TapeTransport

@Suite
struct LiveEncoderTests {
    private let names: TapeNames

    init() throws { names = try #require(TapeNames(namespace: "md", partitions: 4)) }

    private func messages(_ packet: SealedPacket) throws -> [(subject: String, json: String)] {
        var encoder = LiveEncoder(names)
        var found: [(String, String)] = []
        try packet.withBytes { bytes throws(PacketError) in
            try encoder.encode(bytes) { subject, _, json in
                found.append((subject.text, String(decoding: json, as: UTF8.self)))
            }
        }
        return found
    }

    @Test("a tick's message is what the contract says, character by character")
    func ticks() throws {
        var packets = try LivePackets()
        let found = try messages(packets.ticks("BRK.B"))
        #expect(
            found.map(\.subject) == [
                "md.live.trade.BRK%2EB.synthetic", "md.live.quote.BRK%2EB.synthetic",
            ])
        let time = "2023-11-14T22:13:20.123456789Z"
        #expect(
            found[0].json == """
                {"v":1,"kind":"trade","symbol":"BRK.B","time":"\(time)",\
                "time_ns":1700000000123456789,\
                "price":"-9223372036.854775807","size":"0.00000001","exchange":"Q\\"",\
                "flags":["conflated"],"receive_time":"\(time)",\
                "receive_time_ns":1700000000123456789,"provider_id":7,"provider":"made-up",\
                "source":"synthetic","partition":1,"ordinal":1,"epoch":3}
                """)
        #expect(
            found[1].json == """
                {"v":1,"kind":"quote","symbol":"BRK.B","time":"\(time)",\
                "time_ns":1700000000123456789,\
                "bid":"0.1","bid_size":"0","receive_time":"\(time)",\
                "receive_time_ns":1700000000123456789,"provider_id":7,"provider":"made-up",\
                "source":"synthetic","partition":1,"ordinal":2,"epoch":3}
                """)
    }

    @Test("a bar's message names its series, its revision and whose ticks it is made of")
    func bars() throws {
        var packets = try LivePackets()
        let found = try messages(packets.bar("ES=F"))
        #expect(found.map(\.subject) == ["md.live.bar.1m.ES%3DF.synthetic"])
        for part in [
            "\"series\":\"1m\"", "\"close_time\":\"2023-11-14T22:14:20.123456789Z\"",
            "\"open\":\"0.000000001\"", "\"volume\":\"0\"", "\"revision\":1",
            "\"reason\":\"closed\"",
            "\"flags\":[\"partial\",\"final\"]", "\"of_source\":\"synthetic\"",
            "\"source\":\"operator\"",
        ] {
            #expect(found[0].json.contains(part), "\(part) in \(found[0].json)")
        }
        #expect(!found[0].json.contains("high"))
    }

    @Test("a provider's bar has its window and its values, and says that it is unfinished")
    func providerBar() throws {
        var packets = try LivePackets()
        let found = try messages(packets.providerBar("BRK.B"))
        #expect(found.map(\.subject) == ["md.live.provider-bar.BRK%2EB.synthetic"])
        let (start, end) = ("2023-11-14T22:13:20.123456789Z", "2023-11-14T22:13:25.123456789Z")
        #expect(
            found[0].json == """
                {"v":1,"kind":"provider-bar","symbol":"BRK.B","time":"\(end)",\
                "time_ns":1700000005123456789,"what":"trades","open_time":"\(start)",\
                "open_time_ns":1700000000123456789,"close_time":"\(end)",\
                "close_time_ns":1700000005123456789,"open":"2","high":"4","low":"1",\
                "close":"3","volume":"2.5","trades":7,"unfinished":true,\
                "receive_time":"\(end)","receive_time_ns":1700000005123456789,\
                "provider":"made-up","source":"synthetic","partition":1,"ordinal":1,"epoch":3}
                """)
    }

    @Test("two sources of one symbol have subjects of their own, also within one packet")
    func twoSources() throws {
        var packets = try LivePackets()
        let sources = try ["ibkr", "synthetic"].map { try #require(SourceName($0)) }
        let bars = try messages(packets.bars("AAPL", sources))
        #expect(
            bars.map(\.subject)
                == ["md.live.bar.1m.AAPL.ibkr", "md.live.bar.1m.AAPL.synthetic"])
        for (bar, source) in zip(bars, sources) {
            #expect(bar.json.contains("\"of_source\":\"\(source)\""), "\(bar.json)")
        }
        // What a person puts on the tape can name the source to which it belongs.
        let manual = try messages(packets.ticks("AAPL", of: .manual, belongingTo: sources[0]))
        #expect(
            manual.map(\.subject) == ["md.live.trade.AAPL.ibkr", "md.live.quote.AAPL.ibkr"])
        #expect(manual[0].json.contains("\"of_source\":\"ibkr\",\"source\":\"manual\""))
    }

    @Test("a value is told under its node, with its symbol if it has one")
    func values() throws {
        var packets = try LivePackets()
        let found = try messages(packets.values("BRK.B"))
        #expect(
            found.map(\.subject) == [
                "md.live.value.stats.1m%2Emean.BRK%2EB.synthetic",
                "md.live.value.market.above_average_50",
            ])
        let time = "2023-11-14T22:13:20.123456789Z"
        #expect(
            found[1].json == """
                {"v":1,"kind":"indicator","time":"\(time)","time_ns":1700000000123456789,\
                "name":"market.above_average_50","value":"1.5",\
                "period_start":"\(time)","period_start_ns":1700000000123456789,\
                "period_end":"\(time)","period_end_ns":1700000000123456789,"revision":2,\
                "flags":["partial"],"receive_time":"\(time)",\
                "receive_time_ns":1700000000123456789,\
                "source":"operator","partition":1,"ordinal":2,"epoch":3}
                """)
        #expect(found[0].json.contains("\"symbol\":\"BRK.B\""))
        #expect(found[0].json.contains("\"of_source\":\"synthetic\",\"source\":\"operator\""))
        #expect(names.liveValues("GDP", nil, .operator) == "md.live.value.GDP")
        #expect(names.liveValues(".x", nil, .operator) == "md.live.value.%2Ex")
    }

    @Test("markers and ticks of other kinds are no messages")
    func others() throws {
        var packets = try LivePackets()
        #expect(try messages(packets.marker()).isEmpty)
        #expect(try messages(packets.other()).isEmpty)
    }

    @Test("a damaged packet is refused")
    func damaged() throws {
        var packets = try LivePackets()
        var bytes = try packets.ticks("AAPL").withBytes { $0.array }
        bytes[bytes.count - 1] ^= 1
        var encoder = LiveEncoder(names)
        #expect(throws: PacketError.self) {
            try bytes.withRawSpan { span throws(PacketError) in
                try encoder.encode(span) { _, _, _ in }
            }
        }
    }

    @Test("of more subjects than are kept each still has its message")
    func manySubjects() throws {
        var encoder = LiveEncoder(names, subjectsMax: 8)
        var packets = try LivePackets()
        for number in 0..<40 {
            let packet = try packets.ticks("S\(number)")
            var subjects: [String] = []
            try packet.withBytes { bytes throws(PacketError) in
                try encoder.encode(bytes) { subject, _, _ in subjects.append(subject.text) }
            }
            #expect(
                subjects == [
                    "md.live.trade.S\(number).synthetic", "md.live.quote.S\(number).synthetic",
                ])
            #expect(encoder.hearing.subjects <= 8)
        }
    }

    @Test("of a subject that nobody hears no message is made, and the first one is the question")
    func unheard() throws {
        var encoder = LiveEncoder(names)
        encoder.now = MonotonicTime(nanoseconds: 0)
        var packets = try LivePackets()
        func made(_ packet: SealedPacket) throws -> [String] {
            var found: [String] = []
            try packet.withBytes { bytes throws(PacketError) in
                try encoder.encode(bytes) { subject, question, _ in
                    found.append("\(subject.text) \(question.map(String.init) ?? "-")")
                }
            }
            return found
        }
        let (trade, quote) = ("md.live.trade.A.synthetic", "md.live.quote.A.synthetic")
        #expect(try made(packets.ticks("A")) == ["\(trade) 1", "\(quote) 2"])
        #expect(try made(packets.ticks("A")) == ["\(trade) -", "\(quote) -"])
        encoder.hearing.answered(2, fromNobody: true)
        #expect(try made(packets.ticks("A")) == ["\(trade) -"])
        encoder.hearing.answered(1, fromNobody: true)
        #expect(try made(packets.ticks("A")).isEmpty)
        #expect(try made(packets.ticks("B")).count == 2, "unknown is heard")
    }
}
