import Primitives
import Testing

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
        let answer = text(bench.take(bench.connect(Bench.upgrade("/ws"))))
        #expect(
            answer == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                + "Connection: Upgrade\r\n"
                + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        )
    }

    @Test("the hash of a text that fills more than one block")
    func hash() {
        let text = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
        let bytes = SHA1.hash(Array(text.utf8)).map { String($0, radix: 16) }
        #expect(bytes.prefix(4) == ["84", "98", "3e", "44"] && bytes.count == 20)
    }

    @Test("frames are those of RFC 6455's samples")
    func frames() {
        var bytes: [UInt8] = []
        WebSocketFrame.text(Array("Hello".utf8)).append(to: &bytes)
        #expect(bytes == [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f])
        let masked: [UInt8] = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ]
        #expect(
            WebSocketFrame.read(masked) == .frame(.text(Array("Hello".utf8)), bytes: 11))
        for count in masked.indices {
            #expect(WebSocketFrame.read(Array(masked[..<count])) == .incomplete)
        }
        // Not masked, reserved bits, an unknown kind, too long, a long ping, and one in pieces.
        for wrong: [UInt8] in [
            [0x81, 0x05], [0xf1, 0x85], [0x83, 0x85], [0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0],
            [0x89, 0xfe, 0, 200], [0x09, 0x80],
        ] {
            #expect(WebSocketFrame.read(wrong) == .malformed)
        }
        for (count, head) in [(126, [0x81, 126, 0, 126]), (65_536, [0x81, 127, 0, 0])] {
            var long: [UInt8] = []
            WebSocketFrame.text([UInt8](repeating: 7, count: count)).append(to: &long)
            #expect(long.prefix(4).map(Int.init) == head)
            #expect(Bench.frames(long).first?.payload.count == count)
        }
    }

    @Test("requests are read piece by piece, and what is none is refused")
    func requests() {
        let text =
            "GET /api/v3/trades?symbol=BTCUSDT&x=%22a%22 HTTP/1.1\r\nHost: a\r\nX-Y:  z\r\n\r\n"
        let bytes = Array(text.utf8)
        for count in bytes.indices {
            #expect(HTTPRequest.read(Array(bytes[..<count])) == .incomplete)
        }
        #expect(
            HTTPRequest.read(bytes + [65])
                == .request(
                    HTTPRequest(
                        method: "GET", path: "/api/v3/trades",
                        query: ["symbol": "BTCUSDT", "x": "\"a\""],
                        headers: ["host": "a", "x-y": "z"]), bytes: bytes.count))
        for wrong in [
            "GET /\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n",
            String(repeating: "a", count: ExchangeLimits.requestBytesMax + 1),
        ] {
            #expect(HTTPRequest.read(Array(wrong.utf8)) == .malformed)
        }
    }
}
