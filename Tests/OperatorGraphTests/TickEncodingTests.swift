import MarketModel
import Primitives
import StreamCore
import Testing

@testable import OperatorGraph

@Suite("ticks as bytes")
struct TickEncodingTests {
    private let trade = Trade(
        header: TickHeader(
            symbol: 0, flags: .outOfSession,
            providerTime: Timestamp(nanoseconds: 1_700_000_000_000_000_000),
            receiveTime: Timestamp(nanoseconds: 1_700_000_000_000_001_000), providerID: 7),
        price: Price(raw: -2_500_000_000), size: .undefined,
        exchange: ShortText("NYS") ?? .empty)

    private func hex(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    @Test("MessagePack's numbers are those of PyPI's msgpack 1.1.0")
    func numbers() {
        let unsigned: [(UInt64, String)] = [
            (0, "00"), (127, "7f"), (128, "cc80"), (255, "ccff"), (256, "cd0100"),
            (65_535, "cdffff"), (65_536, "ce00010000"), (4_294_967_295, "ceffffffff"),
            (4_294_967_296, "cf0000000100000000"), (UInt64.max, "cfffffffffffffffff"),
        ]
        let signed: [(Int64, String)] = [
            (-1, "ff"), (-32, "e0"), (-33, "d0df"), (-128, "d080"), (-129, "d1ff7f"),
            (-32_768, "d18000"), (-32_769, "d2ffff7fff"), (-2_147_483_648, "d280000000"),
            (-2_147_483_649, "d3ffffffff7fffffff"), (Int64.min, "d38000000000000000"), (7, "07"),
        ]
        for (number, expected) in unsigned {
            var writer = MessagePackWriter()
            writer.value(number)
            #expect(hex(writer.bytes) == expected)
        }
        for (number, expected) in signed {
            var writer = MessagePackWriter()
            writer.value(number)
            #expect(hex(writer.bytes) == expected)
        }
    }

    @Test("and so are the heads of its texts")
    func texts() {
        for (count, head) in [
            (31, "bf61"), (32, "d92061"), (256, "da0100"), (65_536, "db00010000"),
        ] {
            var writer = MessagePackWriter()
            writer.value(String(repeating: "a", count: count))
            #expect(hex(writer.bytes).hasPrefix(head))
        }
    }

    @Test("a trade in MessagePack is what PyPI's msgpack 1.1.0 makes of the same values")
    func messagePack() throws {
        var encoder = TickEncoder(.messagePack)
        let golden =
            "8ba46b696e64a57472616465a673796d626f6ca44141504ca6736f75726365a36f6e65a474696d65"
            + "cf17979cfe362a0000"
            + "ac726563656976655f74696d65cf17979cfe362a03e8a2696407a5666c61677310a57072696365"
            + "d3ffffffff6afd0700a473697a65c0a865786368616e6765a34e5953aa636f6e646974696f6e73a0"
        for _ in 0..<2 {
            let bytes = encoder.encode(.trade(trade), of: try ofTest("AAPL"))
            #expect(hex(bytes) == golden)
        }
    }

    @Test("JSON holds the same, and reads back")
    func json() throws {
        var encoder = TickEncoder(.json)
        _ = encoder.encode(.trade(trade), of: try ofTest("first"))
        let text = String(
            decoding: encoder.encode(.trade(trade), of: try ofTest("A\"B")), as: UTF8.self)
        #expect(
            text == #"{"kind":"trade","symbol":"A\"B","source":"one","#
                + #""time":1700000000000000000,"#
                + #""receive_time":1700000000000001000,"id":7,"flags":16,"price":-2500000000,"#
                + #""size":null,"exchange":"NYS","conditions":""}"#)
        let value = try JSONValue.parse(text)
        #expect(value["symbol"]?.string == "A\"B")
        let quote = Quote(
            header: trade.header, bidPrice: Price(raw: 1), bidSize: Quantity(raw: 2),
            askPrice: Price(raw: 3), askSize: Quantity(raw: 4))
        let other = encoder.encode(.quote(quote), of: try ofTest("Q"))
        #expect(String(decoding: other, as: UTF8.self).contains(#""bid":1,"bid_size":2,"ask":3"#))
    }

    /// Keeps the ticks that it was given, which a test reads through its state.
    private struct Recorder<Encoding: EncodingChoice>: EncodedTickOperator {
        static var encoding: TickEncoding { Encoding.encoding }
        private var bytes: [UInt8] = []

        init(settings: [GraphSetting]) throws(TickOperatorError) {}

        mutating func take(_ bytes: [UInt8], publishing values: inout [OperatorValue]) -> Bool {
            self.bytes = bytes
            return bytes.count.isMultiple(of: 2)
        }

        func encode(into bytes: inout [UInt8]) { bytes.append(contentsOf: self.bytes) }
        mutating func restore(_ bytes: RawSpan) throws(CheckpointError) { self.bytes = bytes.array }
    }

    private protocol EncodingChoice: Sendable { static var encoding: TickEncoding { get } }
    private enum AsJSON: EncodingChoice { static var encoding: TickEncoding { .json } }
    private enum AsPack: EncodingChoice { static var encoding: TickEncoding { .messagePack } }

    private func runs<Encoding: EncodingChoice>(_: Encoding.Type) throws {
        var operators = TickOperators()
        operators.register("record", EncodedOperator<Recorder<Encoding>>.self)
        var machine = try machine(
            [
                GraphNode(
                    name: "r", input: .ticks(.trade),
                    operation: .custom(name: "record", settings: [])),
                try Nodes.bars("bars", .node(0)),
            ], operators: operators)
        var tape = try GraphTape()
        try tape.trade("AAPL", at: 0.5, id: 1)
        tape.seal(watermark: 5)
        _ = machine.run(tape.packets)
        var encoder = TickEncoder(Encoding.encoding)
        let trade = Trade(
            header: TickHeader(
                symbol: 0, providerTime: GraphTape.time(0.5), receiveTime: GraphTape.time(0.5),
                providerID: 1), price: Price(raw: 100_000_000_000), size: Quantity(raw: 100_000_000)
        )
        var state: [UInt8] = []
        machine.stages.operators[0].encode(into: &state)
        #expect(state == encoder.encode(.trade(trade), of: try ofTest("AAPL")))
        #expect(try machine.restored().bytes == machine.bytes)
    }

    @Test("an operator of a graph gets them")
    func inGraph() throws {
        try runs(AsJSON.self)
        try runs(AsPack.self)
    }
}
