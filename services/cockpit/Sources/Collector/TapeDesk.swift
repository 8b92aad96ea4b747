import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeListing
import TapeProtocol
import TapeTransport

/// Answers what the page Tape asks, with what its thread has read of the tape.
final class TapeDesk: Sendable {
    private let desk = QuestionDesk<TapeQuestion, [UInt8]>()
    private let names: TapeNames?

    init(_ settings: CockpitSettings) {
        names = TapeNames(namespace: settings.namespace, partitions: settings.partitions)
    }

    /// Returns the newest document at this path. `nil` if it is none of the tape. It does not
    /// block.
    func answer(
        _ path: String, _ parameters: [String: String], at now: MonotonicTime
    ) -> PageAnswer? {
        guard path == TapeQuestion.path, let names else { return nil }
        do throws(QuestionRefusal) {
            let question = try TapeQuestion(parameters, names)
            return PageAnswer(desk.look(question, at: now), at: now)
        } catch {
            return PageAnswer(refused: error.description, status: 400)
        }
    }

    /// Starts the thread that reads the tape, by the collector's connection.
    func start(_ collector: Collector) throws(ServiceError) -> ServiceThread {
        let context = collector.context
        return try desk.start("packets", context) { beat in
            { question in
                try collector.withTape(beat) { client, jetStream in
                    let limited = jetStream.within(TapeReading.requestMax)
                    return try TapeReading(limited, client.names, context.clock)
                        .document(question).json
                }
            }
        }
    }
}

/// Reads packets of one subject by single requests: it has no consumer, and changes nothing. Every
/// call blocks.
struct TapeReading {
    /// One request waits at most so long.
    static let requestMax = Duration.milliseconds(500)
    /// No further packet is asked for after this time.
    static let timeMax = Duration.seconds(1)
    /// No further packet is asked for after so many bytes of packets.
    static let bytesMax = 4 << 20

    private let jetStream: JetStream
    private let names: TapeNames
    private let clock: SystemClock

    init(_ jetStream: JetStream, _ names: TapeNames, _ clock: SystemClock) {
        self.jetStream = jetStream
        self.names = names
        self.clock = clock
    }

    func document(_ question: TapeQuestion) throws -> TapeDocument {
        let (stream, subject) = (question.stream(names), question.subject(names))
        let newest = try jetStream.lastMessage(stream: stream, subject: subject)
        let from = try newest.map { try begin(question, $0, stream, subject) }
        var (packets, isCut) = ([SeenPacket](), false)
        if let from { (packets, isCut) = try read(question, from: from, stream, subject) }
        return TapeDocument(
            question: question, names: names, from: from,
            newest: newest.map { ($0.sequence, $0.time) }, packets: packets, isCut: isCut,
            time: clock.now())
    }

    private func begin(
        _ question: TapeQuestion, _ newest: StoredMessage, _ stream: String, _ subject: String
    ) throws -> UInt64 {
        switch question.seek {
        case .beginning: return 1
        case .newest: return newest.sequence
        case .sequence(let sequence): return sequence
        case .time(let time):
            guard let found = try jetStream.sequence(ofStream: stream, at: time) else {
                throw TapeError.missingStream(stream)
            }
            return found
        case .ordinal(let ordinal):
            let search = PacketSearch(jetStream, stream: stream, subject: subject)
            let end = clock.deadline(after: CockpitLimits.natsTimeout)
            let found = try search.first(endingAt: ordinal, through: newest.sequence) {
                guard clock.remaining(until: end) > .zero else { throw NatsSilence.NoAnswer() }
            }
            return found?.last.sequence ?? newest.sequence &+ 1
        }
    }

    private func read(
        _ question: TapeQuestion, from: UInt64, _ stream: String, _ subject: String
    ) throws -> ([SeenPacket], isCut: Bool) {
        let end = clock.deadline(after: Self.timeMax)
        var (packets, next, bytes) = ([SeenPacket](), from, 0)
        while packets.count < question.count {
            guard clock.remaining(until: end) > .zero, bytes < Self.bytesMax else {
                return (packets, true)
            }
            let found = try jetStream.firstMessage(stream: stream, from: next, subject: subject)
            guard let message = found else { break }
            packets.append(
                SeenPacket(
                    message.payload, sequence: message.sequence, subject: message.subject,
                    time: message.time, of: question.symbol))
            bytes += message.payload.count
            guard message.sequence < .max else { break }
            next = message.sequence + 1
        }
        return (packets, false)
    }
}
