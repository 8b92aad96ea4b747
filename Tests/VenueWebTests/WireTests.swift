import Testing
import VenueTestSupport
import VenueWeb

@Suite("The bytes of HTTP and of WebSockets")
struct WireTests {
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
            #expect(ClientBytes.frames(long).first?.payload.count == count)
        }
    }

    @Test("requests are read piece by piece, and what is none is refused")
    func requests() {
        let text =
            "GET /api/v3/trades?symbol=BTCUSDT&x=%22a%22 HTTP/1.1\r\nHost: a\r\nX-Y:  z\r\n\r\n"
        let bytes = Array(text.utf8)
        for count in bytes.indices {
            #expect(VenueRequest.read(Array(bytes[..<count])) == .incomplete)
        }
        #expect(
            VenueRequest.read(bytes + [65])
                == .request(
                    VenueRequest(
                        method: "GET", path: "/api/v3/trades",
                        query: ["symbol": "BTCUSDT", "x": "\"a\""],
                        headers: ["host": "a", "x-y": "z"]), bytes: bytes.count))
        for wrong in [
            "GET /\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n",
            String(repeating: "a", count: WebLimits.requestBytesMax + 1),
        ] {
            #expect(VenueRequest.read(Array(wrong.utf8)) == .malformed)
        }
    }
}
