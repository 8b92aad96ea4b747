import Primitives
import Testing

@testable import IBProtocol

@Suite("Frames")
struct FrameDecoderTests {
    private static let bodies = [
        body(["1", "6", "7", "1", "150.25", "3", "0"]), [0], body(["49", "1", "1767623400"]),
        [UInt8](repeating: 0x41, count: 70_000) + [0], body(["9", "1", "5"]),
    ]

    private static func bodies(
        of decoder: inout FrameDecoder
    ) throws(IBWireError) -> (bodies: [[UInt8]], missing: Int) {
        var found: [[UInt8]] = []
        while true {
            switch try decoder.next() {
            case .needs(let missing): return (found, missing)
            case .frame(let range): found.append(decoder.withFrame(range) { $0.array })
            }
        }
    }

    @Test("many messages of one read come out one by one")
    func oneRead() throws {
        var decoder = FrameDecoder()
        Self.bodies.flatMap(framed).withRawSpan { decoder.append($0) }
        let found = try Self.bodies(of: &decoder)
        #expect(found.bodies == Self.bodies)
        #expect(found.missing == 4)
        #expect(decoder.waiting == 0)
    }

    @Test("bytes that come one by one give the same messages, and the need is told exactly")
    func oneByOne() throws {
        var decoder = FrameDecoder()
        let stream = Self.bodies.map(framed)
        for (index, bytes) in stream.enumerated() {
            for (place, byte) in bytes.enumerated() {
                [byte].withRawSpan { decoder.append($0) }
                let found = try Self.bodies(of: &decoder)
                let isWhole = place == bytes.count - 1
                #expect(found.bodies == (isWhole ? [Self.bodies[index]] : []))
                let inPrefix = place < 3
                let missing = inPrefix ? 3 - place : isWhole ? 4 : bytes.count - place - 1
                #expect(found.missing == missing)
            }
        }
    }

    @Test("a stream cut at every byte gives the same messages")
    func everyCut() throws {
        let bodies = [body(["1", "2"]), body(["4"]), body(["", "x"])]
        let stream = bodies.flatMap(framed)
        for cut in 0...stream.count {
            var decoder = FrameDecoder()
            Array(stream[..<cut]).withRawSpan { decoder.append($0) }
            var found = try Self.bodies(of: &decoder).bodies
            Array(stream[cut...]).withRawSpan { decoder.append($0) }
            found += try Self.bodies(of: &decoder).bodies
            #expect(found == bodies)
        }
    }

    @Test(
        "a length of 0, below 0 or above the largest body ends the stream, for good",
        arguments: [
            ([0, 0, 0, 0], 0), ([0x80, 0, 0, 0], Int32.min), ([0xff, 0xff, 0xff, 0xff], -1),
            ([0x7f, 0xff, 0xff, 0xff], Int32.max), ([1, 0, 0, 0], 0x100_0000),
        ] as [([UInt8], Int32)])
    func lengths(_ prefix: [UInt8], _ length: Int32) throws {
        var decoder = FrameDecoder()
        (framed(body(["49"])) + prefix).withRawSpan { decoder.append($0) }
        #expect(try decoder.next() == .frame(4..<7))
        for _ in 0..<2 {
            #expect(throws: IBWireError.frameLength(length)) { try decoder.next() }
            [1, 2, 3].withRawSpan { decoder.append($0) }
        }
    }

    @Test("the largest body is waited for, and no room is made for it before it is there")
    func largest() throws {
        var decoder = FrameDecoder()
        [0, 0xff, 0xff, 0xff, 1].withRawSpan { decoder.append($0) }
        #expect(try decoder.next() == .needs(0xff_fffe))
        #expect(decoder.capacity < 1_024)
    }

    @Test("a buffer that a large message stretched is let go")
    func shrinks() throws {
        var decoder = FrameDecoder()
        let large = [UInt8](repeating: 0x41, count: 1 << 20)
        framed(large).withRawSpan { decoder.append($0) }
        #expect(try Self.bodies(of: &decoder).bodies == [large])
        let next = framed([5, 0])
        Array(next[..<5]).withRawSpan { decoder.append($0) }
        #expect(try Self.bodies(of: &decoder).bodies.isEmpty)
        #expect(decoder.capacity < FrameDecoder.keptBytesMax)
        Array(next[5...]).withRawSpan { decoder.append($0) }
        #expect(try Self.bodies(of: &decoder).bodies == [[5, 0]])
    }

    @Test("it is let go although the next message has begun already")
    func shrinksInside() throws {
        var decoder = FrameDecoder()
        let large = [UInt8](repeating: 0x41, count: 1 << 20)
        let next = framed([5, 0])
        (framed(large) + next[..<5]).withRawSpan { decoder.append($0) }
        #expect(try Self.bodies(of: &decoder).bodies == [large])
        Array(next[5...]).withRawSpan { decoder.append($0) }
        #expect(decoder.capacity < FrameDecoder.keptBytesMax)
        #expect(try Self.bodies(of: &decoder).bodies == [[5, 0]])
    }

    @Test("a range of an earlier read reads nothing that is not there")
    func oldRange() throws {
        let decoder = FrameDecoder()
        #expect(decoder.withFrame(4..<100) { $0.byteCount } == 0)
    }
}

@Suite("Handshake")
struct HandshakeTests {
    private func answer(_ bytes: [UInt8]) throws -> ServerGreeting {
        let handshake = try Handshake()
        return try bytes.withRawSpan { try handshake.answer($0) }
    }

    @Test("the opening is API, a zero, and the versions behind their length")
    func opening() throws {
        #expect(
            try Handshake().opening
                == [0x41, 0x50, 0x49, 0, 0, 0, 0, 9] + Array("v157..187".utf8))
        #expect(
            try Handshake(versions: 176...176, options: "+PACEAPI").opening
                == [0x41, 0x50, 0x49, 0, 0, 0, 0, 13] + Array("v176 +PACEAPI".utf8))
        #expect(throws: IBWireError.handshakeOptions) { try Handshake(options: "ü") }
    }

    @Test("the lower of both versions is spoken; the time is kept as it came")
    func versions() throws {
        let greeting = try answer(body(["176", "20260105 09:30:00 EST"]))
        #expect(greeting.version == 176)
        #expect(greeting.timeText == "20260105 09:30:00 EST")
        let newer = try answer(body(["203", ""]))
        #expect(newer.version == 187)
        #expect(newer.serverVersion == 203)
        #expect(try answer(body(["157", "now"])).version == 157)
    }

    @Test("an old server, a redirect and a stranger are told apart")
    func refusals() {
        #expect(throws: IBWireError.serverTooOld(server: 156, minimum: 157)) {
            try answer(body(["156", "20200105 09:30:00 EST"]))
        }
        #expect(throws: IBWireError.redirected(to: "10.0.0.7:4001")) {
            try answer(body(["-1", "10.0.0.7:4001"]))
        }
        for stranger in ["HTTP/1.1 400 Bad Request\r\n", "", "176"] {
            #expect(throws: IBWireError.self) { try answer(Array(stranger.utf8)) }
        }
        #expect(throws: IBWireError.self) { try answer(body(["0", "x"])) }
        let text = IBWireError.serverTooOld(server: 156, minimum: 157).description
        #expect(text.contains("156") && text.contains("157"))
    }
}
