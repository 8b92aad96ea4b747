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

    @Test("a tick is one object that holds all of it, and reads back")
    func json() throws {
        var encoder = TickEncoder()
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
    private struct Recorder: EncodedTickOperator {
        private var bytes: [UInt8] = []

        init(settings: [GraphSetting]) throws(TickOperatorError) {}

        mutating func take(_ bytes: [UInt8], publishing values: inout [OperatorValue]) -> Bool {
            self.bytes = bytes
            return bytes.count.isMultiple(of: 2)
        }

        func encode(into bytes: inout [UInt8]) { bytes.append(contentsOf: self.bytes) }
        mutating func restore(_ bytes: RawSpan) throws(CheckpointError) { self.bytes = bytes.array }
    }

    @Test("an operator of a graph gets them")
    func inGraph() throws {
        var operators = TickOperators()
        operators.register("record", EncodedOperator<Recorder>.self)
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
        var encoder = TickEncoder()
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
}
