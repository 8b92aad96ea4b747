import BenchmarkRows
internal import CAllocationCounter
internal import Glibc
import IBProtocol
import MarketModel
import Primitives

/// Measures millions of messages per second of one core, from bytes to values and to the tape's
/// records. Fails if a frequent kind of message allocates or is slow. In turns with it, ib_async
/// decodes the same bytes.
@main
struct IBProtocolBenchmark {
    static let repetitions = 7
    /// The number of turns with ib_async, which takes some seconds for each.
    static let turns = 3
    static let messagesPerRun = 1_000_000
    /// The bytes of one read from a socket.
    static let readBytes = 16_384

    /// The messages of a gateway with quotes, trades and a few books and options, in parts of 100.
    /// Each `#` is replaced by a digit that differs between messages.
    static let mix: [(parts: Int, fields: String)] = [
        (16, "1|6|10##|1|15#.##|#00|1"), (16, "1|6|10##|2|15#.##|1#00|1"),
        (16, "2|6|10##|0|#00"), (12, "2|6|10##|3|1#00"),
        (6, "46|6|10##|48|15#.##;#00;17676234#####;25#####;150.19######;false"),
        (3, "46|6|10##|45|17676234##"), (2, "45|6|10##|49|0"),
        (8, "99|20##|2|17676234##|15#.##|#0#|0|ISLAND|TI"),
        (8, "99|20##|3|17676234##|15#.##|15#.##|#00|1#00|0"),
        (7, "13|1|30##|#|ISLAND|1|1|15#.##|#00|1"), (2, "12|1|30##|#|0|1|15#.#|#00"),
        (3, "21|40##|13|0|0.25#####|0.51##|3.####|0|0.05##|0.11##|-0.02##|15#.##"),
        (1, "50|3|50##|17676234##|15#.#|15#.#|15#.#|15#.##|123##|15#.####|8#"),
    ]
    /// Below this many millions a second on one core, something is wrong.
    static let leastMillions = 3.0

    static func main() throws {
        var isClean = true
        let all = stream(mix)
        let decoded = try measure(all) { decoder, body, _ in decoder.decode(body) }
        isClean = report("the mix", decoded) && isClean
        let assembled = try measure(all) { decoder, body, assembler in
            let result = decoder.decode(body)
            if case .message(let message) = result {
                let event = assembler.take(message, at: Timestamp(nanoseconds: 1))
                if case .quote(let quote) = event, quote.header.symbol != 1 {
                    return .unknown(id: 0)
                }
            }
            return result
        }
        isClean = report("the mix, as records", assembled) && isClean
        for kind in mix {
            let one = stream([(1, kind.fields)])
            let result = try measure(one) { decoder, body, _ in decoder.decode(body) }
            isClean = report(kind.fields, result) && isClean
        }
        try compare(all)
        guard isClean else {
            print("failed: something allocates, or falls below \(leastMillions) M messages/s")
            exit(1)
        }
    }

    struct Unusable: Error {}

    /// Compares the best turn of each.
    static func compare(_ stream: [UInt8]) throws {
        let foreign = try ForeignDecoder(stream, readBytes: readBytes)
        var ours = Double.infinity
        var theirs = Double.infinity
        for _ in 0..<turns {
            guard let answer = try foreign.run() else { return }
            guard answer.messages == messagesPerRun else { throw Unusable() }
            theirs = min(theirs, answer.nanoseconds / Double(messagesPerRun))
            let own = try measure(stream) { decoder, body, _ in decoder.decode(body) }
            ours = min(ours, own.best / .nanoseconds(1) / Double(messagesPerRun))
        }
        func rate(_ nanoseconds: Double) -> String {
            "\(Double(Int(100_000 / nanoseconds)) / 100) M messages/s "
                + "(\(Int(nanoseconds.rounded())) ns)"
        }
        print("the mix in the same reads, one core each, in turns, best of \(turns):")
        print("  \(rate(ours)): IBProtocol, frames to values with exact decimals and stamps")
        print(
            "  \(rate(theirs)): ib_async, frames to calls of empty functions with floats; "
                + "RTVolume stays a text")
        print("  ratio \(Int((theirs / ours).rounded()))")
        BenchmarkRow("the mix in the same reads", 1_000 / ours, "M messages/s")
            .beside("ib_async", 1_000 / theirs).tell()
    }

    struct Result {
        var best = Duration.seconds(60)
        var allocations: UInt64 = 0
        var bytes = 0
    }

    static func report(_ name: String, _ result: Result) -> Bool {
        let nanoseconds = result.best / .nanoseconds(1) / Double(messagesPerRun)
        let rate = Double(Int(100_000 / nanoseconds)) / 100
        print(
            "\(name): \(rate) M messages/s (\(Int(nanoseconds.rounded())) ns), "
                + "\(result.bytes / messagesPerRun) bytes each, "
                + "allocations \(result.allocations) in \(messagesPerRun)")
        if name.hasPrefix("the mix") {
            BenchmarkRow(name, 1_000 / nanoseconds, "M messages/s").atLeast(leastMillions).tell()
        }
        return result.allocations == 0 && rate >= leastMillions
    }

    /// Returns a million messages in the shares of the mix. They are shuffled, so that the
    /// processor cannot learn the branches.
    static func stream(_ kinds: [(parts: Int, fields: String)]) -> [UInt8] {
        let deck = kinds.flatMap { kind in (0..<kind.parts).map { _ in Array(kind.fields.utf8) } }
        var random = SeededRandom(seed: 42)
        var stream: [UInt8] = []
        for _ in 0..<messagesPerRun {
            let fields = deck[Int.random(in: deck.indices, using: &random)]
            stream += [0, 0, 0, UInt8(fields.count + 1)]
            for byte in fields {
                switch byte {
                case UInt8(ascii: "|"): stream.append(0)
                case UInt8(ascii: "#"): stream.append(UInt8.random(in: 0x30...0x39, using: &random))
                default: stream.append(byte)
                }
            }
            stream.append(0)
        }
        return stream
    }

    /// Runs the stream through a frame decoder, in reads of a socket's size.
    static func measure(
        _ stream: [UInt8],
        _ take: (inout MessageDecoder, RawSpan, inout MarketDataAssembler) -> Decoded
    ) throws -> Result {
        var result = Result(bytes: stream.count)
        var decoder = MessageDecoder(version: 187)
        var assembler = MarketDataAssembler(
            symbol: 1, trades: .realTimeVolume, since: Timestamp(nanoseconds: 0))
        var frames = FrameDecoder()
        for repetition in 0..<repetitions {
            var count = 0
            let before = allocations_of_this_thread()
            let start = processorTime()
            var place = 0
            while place < stream.count {
                let end = min(place + readBytes, stream.count)
                stream.withRawSpan { frames.append($0.extracting(place..<end)) }
                place = end
                while case .frame(let range) = try frames.next() {
                    let decoded = frames.withFrame(range) { take(&decoder, $0, &assembler) }
                    if case .message = decoded { count += 1 }
                }
            }
            result.best = min(result.best, processorTime() - start)
            // In the first repetition the buffer grows to the size that a read needs.
            if repetition > 0 { result.allocations += allocations_of_this_thread() - before }
            guard count == messagesPerRun else { throw Unusable() }
        }
        return result
    }
}
