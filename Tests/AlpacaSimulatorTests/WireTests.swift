import Primitives
import Testing

@testable import AlpacaSimulator

@Suite("The bytes of the simulated Alpaca")
struct WireTests {
    private func text(_ nanoseconds: Int64) -> String {
        WireMessage.text(Timestamp(nanoseconds: nanoseconds))
    }

    @Test("times have as many digits as they need")
    func times() {
        #expect(text(1_700_000_000_000_000_000) == "2023-11-14T22:13:20Z")
        #expect(text(1_700_000_000_208_000_000) == "2023-11-14T22:13:20.208Z")
        #expect(text(1_700_000_000_000_000_001) == "2023-11-14T22:13:20.000000001Z")
    }

    @Test("a trade and a quote have the members of the documented samples, in their order")
    func samples() throws {
        let symbol = try #require(AlpacaSymbol("AAPL"))
        let time = Timestamp(nanoseconds: 1_700_000_000_208_000_000)
        let trade = AlpacaTrade(
            symbol: 0, number: 4, id: 96_921, exchange: "D", time: time, published: time,
            price: 1_265_500, size: 1, isBuy: true)
        #expect(
            AlpacaMessages.message(trade, symbol).json
                == #"{"T":"t","S":"AAPL","i":96921,"x":"D","p":126.55,"s":1,"c":["@","I"],"#
                + #""z":"C","t":"2023-11-14T22:13:20.208Z"}"#)
        let quote = AlpacaQuote(
            symbol: 0, time: time, bidExchange: "U", askExchange: "Q", bid: 876_600, ask: 876_800,
            bidSize: 1, askSize: 4)
        #expect(
            AlpacaMessages.message(quote, symbol).json
                == #"{"T":"q","S":"AAPL","bx":"U","bp":87.66,"bs":1,"ax":"Q","ap":87.68,"as":4,"#
                + #""c":["R"],"z":"C","t":"2023-11-14T22:13:20.208Z"}"#)
    }

    @Test("MessagePack is that of its specification's samples")
    func messagePack() {
        var message = WireMessage()
        message["compact"] = .integer(1)
        message["s"] = .texts(["é"])
        #expect(
            message.messagePack == [0x82, 0xa7] + Array("compact".utf8)
                + [0x01, 0xa1, 0x73, 0x91, 0xa2, 0xc3, 0xa9])
        var number = WireMessage()
        number["p"] = .decimal(15, decimals: 1)
        #expect(number.messagePack == [0x81, 0xa1, 0x70, 0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0])
        var time = WireMessage()
        time["t"] = .time(Timestamp(nanoseconds: 1_000_000_001))
        #expect(time.messagePack == [0x81, 0xa1, 0x74, 0xd7, 0xff, 0, 0, 0, 4, 0, 0, 0, 1])
    }

    @Test("what a client sends is read in every form, and what is no message is refused")
    func reading() {
        #expect(
            MessagePack.read([0x82, 0xa1, 0x61, 0xd9, 1, 0x62, 0xa1, 0x63, 0x92, 0xc3, 0xcd, 1, 0])
                == .object([
                    JSONValue.Member(key: "a", value: .string("b")),
                    JSONValue.Member(key: "c", value: .array([.bool(true), .number("256")])),
                ]))
        for wrong: [UInt8] in [
            [], [0x81], [0x81, 0xa1], [0xdd, 0xff, 0xff, 0xff, 0xff], [0x01, 0x02], [0xc1],
            [UInt8](repeating: 0x91, count: 20) + [0x01], [0x81, 0x01, 0x01],
            [0xdb, 0xff, 0xff, 0xff, 0xff, 0x61],
        ] {
            #expect(MessagePack.read(wrong) == nil, "\(wrong)")
        }
    }

    @Test("names that are no symbols", arguments: ["", "aapl", "A B", "A/B/C", "/USD", "9A"])
    func symbols(_ name: String) { #expect(AlpacaSymbol(name) == nil) }

    @Test("names that are symbols", arguments: ["A", "BRK.B", "BTC/USD"])
    func goodSymbols(_ name: String) { #expect(AlpacaSymbol(name)?.name == name) }
}
