internal import NatsTransport
internal import TapeTransport

/// One purge on its way.
struct PurgeWork {
    let jetStream: JetStream
    let info: StreamInfo
    let marks: PurgeMarks
    let plan: PurgePlan
    /// Monotonic.
    let plannedAt: Int64
    /// When the next step is due, monotonic.
    var readyAt = Int64.min
    private(set) var pass: PurgePass
    private(set) var purged: UInt64 = 0
    private(set) var bytes: UInt64

    init(
        jetStream: JetStream, info: StreamInfo, marks: PurgeMarks, plan: PurgePlan, plannedAt: Int64
    ) {
        self.jetStream = jetStream
        self.info = info
        self.marks = marks
        self.plan = plan
        self.plannedAt = plannedAt
        pass = PurgePass(
            plan, marks: marks, bytes: info.bytes, messages: info.messages)
        bytes = info.bytes
    }

    /// The stream has grown again.
    func resumed(bytes: UInt64) -> PurgeWork {
        var work = self
        (work.purged, work.bytes, work.readyAt) = (0, bytes, Int64.min)
        work.pass.saw(bytes: bytes)
        return work
    }

    /// The stream is another one than was looked at: nothing of the plan holds.
    struct MadeAnew: Error, CustomStringConvertible {
        let description = "the stream was made anew meanwhile"
    }

    /// Nil: there is more to do.
    mutating func step() throws -> PurgePass.Outcome? {
        let stream = info.configuration.name
        switch pass.next() {
        case .front(let below): purged += try jetStream.purge(stream: stream, below: below)
        case .subject(let purge):
            purged += try jetStream.purge(
                stream: stream, subject: purge.subject, below: purge.below)
        case .seek(let from):
            pass.found(
                try jetStream.firstMessage(stream: stream, from: from, subject: ">")?.sequence)
        case .look:
            guard let present = try jetStream.streamInfo(stream),
                present.created == info.created, present.lastSequence >= info.lastSequence
            else { throw MadeAnew() }
            bytes = present.bytes
            pass.saw(bytes: present.bytes)
        case .done(let outcome): return outcome
        }
        return nil
    }
}
