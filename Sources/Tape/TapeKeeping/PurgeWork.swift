internal import NatsTransport
internal import Primitives
internal import TapeTransport

/// One purge in progress.
struct PurgeWork {
    let jetStream: JetStream
    /// The stream when the plan was made.
    let info: StreamInfo
    let marks: PurgeMarks
    let plan: PurgePlan
    /// When the plan was made, monotonic.
    let plannedAt: MonotonicTime
    /// When the next step is due, monotonic.
    var readyAt = MonotonicTime.distantPast
    private(set) var pass: PurgePass
    /// The number of messages that were purged.
    private(set) var purged: UInt64 = 0
    /// The stream's size when it was last requested.
    private(set) var bytes: UInt64

    init(
        jetStream: JetStream, info: StreamInfo, marks: PurgeMarks, plan: PurgePlan,
        plannedAt: MonotonicTime
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

    /// Returns the work to do after the stream has grown again.
    func resumed(bytes: UInt64) -> PurgeWork {
        var work = self
        (work.purged, work.bytes, work.readyAt) = (0, bytes, .distantPast)
        work.pass.measured(bytes: bytes)
        return work
    }

    /// The stream is not the one that the plan was made for, so nothing of the plan is valid.
    struct MadeAnew: Error, CustomStringConvertible {
        let description = "the stream was made anew meanwhile"
    }

    /// Makes one step. Returns `nil` when there is more to do.
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
        case .measure:
            guard let present = try jetStream.streamInfo(stream),
                present.created == info.created, present.lastSequence >= info.lastSequence
            else { throw MadeAnew() }
            bytes = present.bytes
            pass.measured(bytes: present.bytes)
        case .done(let outcome): return outcome
        }
        return nil
    }
}
