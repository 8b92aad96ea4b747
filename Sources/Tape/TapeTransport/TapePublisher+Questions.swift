internal import NatsTransport
internal import Primitives
internal import ServiceRuntime
internal import TapeCodec
internal import TapeProtocol

/// The part of a publisher that carries out `PublisherLane.Effect.readLast`. It asks the stream and
/// continues without waiting; the answer comes to `handle` like any other.
///
/// A lane asks for its subject's last packet. When the subject seems to end early (`EndDoubt`), it
/// first asks for the number of the stream's copies. A stream that does not answer is asked one
/// question at a time until it does.
extension TapePublisher {
    /// A question of a lane.
    enum Question: Equatable {
        /// The lane needs nothing from the stream. Next: `wanted`.
        case none
        /// To be sent as soon as the stream may be asked. Next: `asked`.
        case wanted
        /// Sent. `number` is in the answer's subject; the question fails at the monotonic deadline.
        /// Next: `none`, or `wanted` after the number of copies and when the lane asks again.
        case asked(number: UInt64, about: Subject, deadline: MonotonicTime)

        /// The number of the stream's copies, or the subject's last packet.
        enum Subject { case copies, lastPacket }

        var isAsked: Bool { if case .asked = self { true } else { false } }
    }

    /// What is known of a stream.
    struct Stream {
        let name: String
        /// The number of questions that are not answered yet.
        var asked = 0
        /// A packet or a question was not answered in time, and nothing has been answered since.
        var isSilent = false
        /// Whether the stream has more than one copy; `nil` when that is unknown. It is asked again
        /// in each doubt.
        var isReplicated: Bool?

        /// Whether another question may be sent to the stream now.
        var mayBeAsked: Bool { asked < (isSilent ? 1 : TapePublisher.questionsMax) }
    }

    /// The most questions to a stream at the same time. The others wait.
    static let questionsMax = 64
    /// The longest wait for an answer. After it, the lane asks again.
    private static let questionNanoseconds: Int64 = 1_000_000_000

    /// Changes the lane's question and keeps count of those that were asked.
    func become(_ question: Question, _ lane: Int) {
        let stream = lanes[lane].stream
        if lanes[lane].question.isAsked { streams[stream].asked -= 1 }
        if question.isAsked { streams[stream].asked += 1 }
        lanes[lane].question = question
    }

    /// Sends the lane's question, or leaves it for later.
    func ask(_ lane: Int) {
        let stream = streams[lanes[lane].stream]
        guard lanes[lane].question == .wanted, stream.mayBeAsked else { return }
        let needsCopies = lanes[lane].machine.isInDoubt && stream.isReplicated == nil
        questions += 1
        let replyTo = "\(inbox).r\(lane).\(questions)"
        do throws(NatsError) {
            if needsCopies {
                try client.jetStream.askStreamInfo(stream.name, replyTo: replyTo)
            } else {
                try client.jetStream.askLastMessage(
                    stream: stream.name, subject: lanes[lane].subject, replyTo: replyTo)
            }
            become(
                .asked(
                    number: questions, about: needsCopies ? .copies : .lastPacket,
                    deadline: clock.monotonic() + Self.questionNanoseconds), lane)
        } catch {
            failed(lane, "\(error)")
            // The caller is about to carry out `effects`, or is doing so. So the lane's machine
            // only adds to them.
            lanes[lane].machine.handle(
                .readFailed, now: clock.monotonic(), into: &effects)
        }
    }

    /// Handles the answer to a question, whose subject is `<inbox>.r<lane>.<number>`.
    func answered(_ answer: NatsMessage) {
        let place = answer.withSubject { subject -> (lane: Int, number: UInt64)? in
            guard
                let number = subject.lastNumber(
                    before: subject.byteCount, behind: UInt8(ascii: ".")),
                let lane = subject.lastNumber(before: number.separator, behind: UInt8(ascii: "r")),
                let index = Int(exactly: lane.value)
            else { return nil }
            return (index, number.value)
        }
        guard let place, lanes.indices.contains(place.lane),
            case .asked(place.number, let subject, _) = lanes[place.lane].question
        else { return }
        let lane = place.lane
        streams[lanes[lane].stream].isSilent = false
        do {
            switch subject {
            case .copies:
                let info = try client.jetStream.streamInfo(in: answer)
                streams[lanes[lane].stream].isReplicated = info.configuration.replicas > 1
                become(.wanted, lane)
                ask(lane)
                carryOut(lane)
            case .lastPacket:
                let packet = try client.jetStream.lastMessage(in: answer).map {
                    try StoredPacket($0)
                }
                become(.none, lane)
                lanes[lane].watermark = packet?.header.watermark ?? .undefined
                let isReplicated = streams[lanes[lane].stream].isReplicated ?? true
                // An administrator may give the stream more copies at any time.
                streams[lanes[lane].stream].isReplicated = nil
                feed(lane, .lastRead(packet?.last, isReplicated: isReplicated))
            }
        } catch {
            failed(lane, "\(error)")
            feed(lane, .readFailed)
        }
    }

    /// Ends the lane's question without an answer and reports the reason.
    private func failed(_ lane: Int, _ reason: String) {
        become(.none, lane)
        client.telemetry.emit(.tapeCallFailed(reason: reason))
    }

    /// Sends the question when the stream may be asked again, and gives up a question that is not
    /// answered.
    func checkQuestion(_ lane: Int, _ now: MonotonicTime) {
        switch lanes[lane].question {
        case .none: return
        case .wanted:
            ask(lane)
            carryOut(lane)
        case .asked(_, _, let deadline):
            guard now >= deadline, isSilent(lane, since: deadline, now: now) else { return }
            let stream = lanes[lane].stream
            streams[stream].isSilent = true
            failed(lane, "stream \(streams[stream].name) did not answer: \(Self.noAnswer)")
            feed(lane, .readFailed)
        }
    }

    private static let noAnswer = "its leader is being elected, or its server does not respond"

    /// Handles the report that a requested subject has no responder. The lane's question may be
    /// meant, so it fails at `until`, if its own deadline is later.
    func suspectQuestion(_ lane: Int, _ until: MonotonicTime) {
        guard case .asked(let number, let subject, let deadline) = lanes[lane].question,
            deadline > until
        else { return }
        become(.asked(number: number, about: subject, deadline: until), lane)
    }
}
