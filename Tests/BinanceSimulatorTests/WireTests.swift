import Primitives
import Testing
import VenueTestSupport
import VenueWeb

@testable import BinanceSimulator

@Suite("The bytes of the simulated exchange")
struct WireTests {
    private let trade = ExchangeTrade(
        symbol: 0, id: 12_345, time: Timestamp(nanoseconds: 1_672_515_782_136_000_000),
        price: 6_543_210, quantity: 150, isBuyerMaker: true)
    private let sent = Timestamp(nanoseconds: 1_672_515_782_137_900_000)

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test("events have the members of the documented samples, in their order")
    func events() throws {
        let symbol = try #require(ExchangeSymbol("BTCUSDT"))
        let event =
            #"{"e":"trade","E":1672515782137,"s":"BTCUSDT","t":12345,"p":"65432.10000000","#
            + #""q":"0.00150000","T":1672515782136,"m":true,"M":true}"#
        let plain = ExchangeMessages.trade(trade, of: symbol, sent: sent, isCombined: false)
        #expect(text(plain) == event)
        let combined = ExchangeMessages.trade(trade, of: symbol, sent: sent, isCombined: true)
        #expect(text(combined) == #"{"stream":"btcusdt@trade","data":\#(event)}"#)
        #expect(
            text(ExchangeMessages.shutdown(sent, isCombined: false))
                == #"{"e":"serverShutdown","E":1672515782137}"#)
        #expect(text(ExchangeMessages.answer(.number("7"))) == #"{"result":null,"id":7}"#)
        #expect(
            text(ExchangeMessages.refusal(2, "no", .string("a")))
                == #"{"code":2,"msg":"no","id":"a"}"#)
    }

    @Test(
        "texts of numbers have 8 decimals, whatever the steps",
        arguments: [
            ("BTCUSDT", "0.01000000", "0.00001000"), ("DOGEUSDT", "0.00001000", "1.00000000"),
            ("ABCEUR", "0.00010000", "0.01000000"),
        ])
    func numbers(_ name: String, _ price: String, _ quantity: String) throws {
        let symbol = try #require(ExchangeSymbol(name))
        #expect(symbol.priceText(1) == price && symbol.quantityText(1) == quantity)
    }

    @Test("names that are no symbols", arguments: ["", "USDT", "btcusdt", "BTC-USDT", "BTCXYZ"])
    func symbols(_ name: String) { #expect(ExchangeSymbol(name) == nil) }

    @Test("the upgrade is that of RFC 6455's sample")
    func upgrade() {
        var bench = Bench()
        let answer = text(bench.take(bench.connect(ClientBytes.upgrade("/ws"))))
        #expect(
            answer == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                + "Connection: Upgrade\r\n"
                + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        )
    }
}
