import MarketModel
import Primitives
import Testing

@testable import IBProtocol

/// No input traps, and every message is reported exactly once.
@Suite("Damaged input")
struct FuzzTests {
    /// One message of each kind, as a server of the newest version sends it. Those with details of
    /// contracts end with the last field that is read.
    private static let samples = [
        "1|6|7|1|150.25|300|3", "2|6|7|8|12345678", "4|2|7|162|no data \\u00e4|{}", "9|1|42",
        "12|1|7|0|0|1|150.2|400", "13|1|7|3|ISLAND|1|0|150.3|200|1", "14|1|5|2|Closed|NYSE",
        "15|1|DU123,DU456",
        "17|7|a|b|2|20260105|1|4|0.5|2|10000|1.75|12"
            + "|20260105 09:30:00 US/Eastern|1|1|1|1|-1|-1|-1",
        "18|7|US-T|BOND|912828C57|2.375|20301231|20140331|AAA|GOVT|FIXED|0|1|0|Treasury|SMART"
            + "|USD|US-T|US-T|145",
        "10|7|AAPL|FUND|20260320 16:00:00 EST|20260320|0||SMART|USD|AAPL|NMS|NMS|265598|0.01|1"
            + "|LMT|SMART|1|0|APPL\\u00c9|NASDAQ||Technology|C|C|US/Eastern|h|h",
        "21|7|13|1|0.25|0.5|3.1|0|0.05|0.1|-0.02|150.5", "45|6|7|24|0.2345678912345",
        "46|6|7|48|150.25;100;1767623401123;2500000;150.1234567891;true", "46|6|7|59|0.83,0.92",
        "46|6|7|84|Q", "46|6|7|45|1767623401",
        "49|1|1767605400", "50|3|7|1767623400|150|151|149.5|150.5|1200|150.3|42", "51|1|7|<xml/>",
        "52|1|7", "58|1|7|3",
        "81|7|0.01|9c0001|3",
        "84|7|1767605400123|BRFG|BRFG$1|Apple up|K:1.00", "85|1|BRFG|Briefing.com",
        "86|7|2026-01-05 09:30:00.0|BRFG|B|Up", "87|7|1", "88|7|20040123-14:30:00",
        "91|7|1|SMART", "92|7|1|SMART",
        "96|7|1|1767605400|0|150.5|0|0",
        "97|7|1|1767605400|1|150|151|10|20|0", "98|7|1|1767605400|3|150|10|NYSE|T|1",
        "99|7|1|1767623401|150.25|100|0|NYSE|T", "99|7|3|1767623401|150.2|150.3|100|200|1",
        "99|7|4|1767623401|150.255",
    ]

    /// Values that replace a field.
    private static let oddities = [
        "", "-1", "0", "2147483647", "2147483648", "-2147483648", "9223372036854775807",
        "-9223372036854775808", "99999999999999999999999", "1.7976931348623157E308", "NaN",
        "Infinity", "1E999999999", "-1E-999999999", "abc", "0x7f", "1.2.3", " ", "\u{fffd}",
        "\\ud83d", "20260230", ";;;;;;;", "1;2;3;4;5;6;7", String(repeating: "9", count: 400),
    ]

    private struct Consumer {
        var decoder = MessageDecoder(version: 187)
        var assembler = MarketDataAssembler(
            symbol: 1, trades: .last, since: Timestamp(nanoseconds: 0))
        var frames: UInt64 = 0

        @discardableResult
        mutating func take(_ body: [UInt8]) -> Decoded {
            frames += 1
            let decoded = decoder.decode(body)
            guard case .message(let message) = decoded else { return decoded }
            let time = Timestamp(nanoseconds: Int64(frames))
            _ = assembler.take(message, at: time)
            switch message {
            case .tick(.depth(let row)): _ = row.update(symbol: 1, receivedAt: time)
            case .tick(.trade(_, _, let tick)): _ = tick.trade(symbol: 1, receivedAt: time)
            case .tick(.quote(_, let tick)): _ = tick.quote(symbol: 1, receivedAt: time)
            case .tick(.bar(let bar)):
                _ = bar.bar(symbol: 1, receivedAt: time, kind: .trades)
            case .notice(let notice):
                _ = notice.meaning.outlook
                _ = notice.depthReset(symbol: 1, receivedAt: time)
            case .feed(.news(let news)): _ = news.headline(symbol: 1, receivedAt: time)
            case .session(.bulletin(let bulletin)): _ = bulletin.record(receivedAt: time)
            default: break
            }
            return decoded
        }

        func expectEachFrameCounted(_ place: SourceLocation = #_sourceLocation) {
            let counters = decoder.counters
            #expect(
                counters.messages + counters.unknown + counters.skipped == frames,
                sourceLocation: place)
        }
    }

    @Test("the samples themselves are read")
    func samples() {
        var consumer = Consumer()
        for sample in Self.samples { consumer.take(fields(of: sample)) }
        #expect(consumer.decoder.counters.messages == UInt64(Self.samples.count))
    }

    @Test("a request's number is found again in a message that cannot be read")
    func requests() {
        var decoder = MessageDecoder(version: 187)
        for sample in Self.samples {
            guard case .message(let message) = decoder.decode(fields(of: sample)) else { continue }
            let found = fields(of: sample).withRawSpan { decoder.request(of: $0) }
            #expect(found == message.request, "\(sample)")
        }
        for (text, version, request) in [
            ("10|8|7|", 163, 7), ("10|7|", 164, 7), ("17|x|", 187, nil), ("x", 187, nil),
            ("777|7", 187, nil),
        ] as [(String, Int, Int32?)] {
            let decoder = MessageDecoder(version: version)
            #expect(fields(of: text).withRawSpan { decoder.request(of: $0) } == request)
        }
    }

    @Test("a message cut at any byte is skipped, or lost only what may be missing")
    func cuts() {
        var consumer = Consumer()
        for sample in Self.samples {
            let whole = fields(of: sample)
            // The last field of a notice may be missing.
            let needed = sample.hasPrefix("4|") ? whole.count - 3 : whole.count
            for length in 0..<whole.count {
                let decoded = consumer.take(Array(whole[..<length]))
                guard length < needed else { continue }
                guard case .skipped = decoded else {
                    Issue.record("\(sample) cut at \(length): \(decoded)")
                    continue
                }
            }
        }
        consumer.expectEachFrameCounted()
    }

    @Test("every byte replaced, by each of a few values")
    func bytes() {
        var consumer = Consumer()
        for sample in Self.samples {
            let whole = fields(of: sample)
            for place in whole.indices {
                for byte in [0, 0x2d, 0x2e, 0x39, 0x41, 0x45, 0x5c, 0x80, 0xff] as [UInt8] {
                    var damaged = whole
                    damaged[place] = byte
                    consumer.take(damaged)
                }
            }
        }
        consumer.expectEachFrameCounted()
    }

    @Test("every field replaced, taken out or doubled, at every version with a gate")
    func fieldsReplaced() {
        for version in [157, 163, 164, 176, 187] {
            var consumer = Consumer()
            consumer.decoder = MessageDecoder(version: version)
            for sample in Self.samples {
                let whole = sample.split(separator: "|", omittingEmptySubsequences: false)
                    .map(String.init)
                for place in whole.indices {
                    for oddity in Self.oddities {
                        var damaged = whole
                        damaged[place] = oddity
                        consumer.take(body(damaged))
                    }
                    var shorter = whole
                    shorter.remove(at: place)
                    consumer.take(body(shorter))
                    consumer.take(body(Array(whole[...place]) + Array(whole[place...])))
                }
            }
            consumer.expectEachFrameCounted()
        }
    }

    @Test("random fields behind every id", arguments: [1, 2, 3] as [UInt64])
    func randomFields(_ seed: UInt64) {
        print("seed \(seed)")
        var random = SeededRandom(seed: seed)
        var consumer = Consumer()
        for _ in 0..<10_000 {
            var all = ["\(Int.random(in: -1...130, using: &random))"]
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                let isOdd = Int.random(in: 0..<3, using: &random) == 0
                let pick = Int.random(in: Self.oddities.indices, using: &random)
                all.append(isOdd ? Self.oddities[pick] : "\(Int.random(in: 0...3, using: &random))")
            }
            consumer.take(body(all))
        }
        consumer.expectEachFrameCounted()
    }

    @Test("a stream of damaged messages in random pieces", arguments: [4, 5, 6] as [UInt64])
    func streams(_ seed: UInt64) throws {
        print("seed \(seed)")
        var random = SeededRandom(seed: seed)
        var stream: [UInt8] = []
        for _ in 0..<2_000 {
            let pick = Int.random(in: Self.samples.indices, using: &random)
            var bytes = fields(of: Self.samples[pick])
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(
                    in: 0...255, using: &random)
            }
            stream += framed(bytes)
        }
        var consumer = Consumer()
        var decoder = FrameDecoder()
        var place = 0
        while place < stream.count {
            let end = min(stream.count, place + Int.random(in: 1...900, using: &random))
            Array(stream[place..<end]).withRawSpan { decoder.append($0) }
            place = end
            while case .frame(let range) = try decoder.next() {
                consumer.take(decoder.withFrame(range) { $0.array })
            }
        }
        #expect(consumer.frames == 2_000)
        consumer.expectEachFrameCounted()
    }

    @Test("random bytes as a stream end it or give messages", arguments: [7, 8] as [UInt64])
    func noise(_ seed: UInt64) {
        print("seed \(seed)")
        var random = SeededRandom(seed: seed)
        for _ in 0..<2_000 {
            var decoder = FrameDecoder()
            var consumer = Consumer()
            // Small lengths, so that some of the noise is parsed as fields.
            var bytes = (0..<64).map { _ in UInt8.random(in: 0...255, using: &random) }
            if Bool.random(using: &random) { bytes.replaceSubrange(0..<3, with: [0, 0, 0]) }
            bytes.withRawSpan { decoder.append($0) }
            var isAtEnd = false
            while !isAtEnd {
                do {
                    switch try decoder.next() {
                    case .needs: isAtEnd = true
                    case .frame(let range):
                        consumer.take(decoder.withFrame(range) { $0.array })
                    }
                } catch {
                    #expect("\(error)".isEmpty == false)
                    isAtEnd = true
                }
            }
            consumer.expectEachFrameCounted()
            bytes.withRawSpan { bytes in
                do {
                    let greeting = try Handshake().answer(bytes)
                    #expect(greeting.version >= ServerVersion.min)
                } catch {
                    #expect(error is IBWireError)
                }
            }
        }
    }
}
