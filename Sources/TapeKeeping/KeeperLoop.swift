internal import MarketModel
internal import Membership
internal import MembershipTransport
internal import NatsTransport
internal import Primitives
internal import ServiceRuntime
internal import Synchronization
internal import TapeProtocol
internal import TapeTransport
internal import Telemetry

/// What the keeper's thread does. Positions first, then streams that are above their marks.
final class KeeperLoop {
    private static let turn = Duration.seconds(1)
    private static let callTimeout = Duration.seconds(2)
    /// Positions that moved are put on record this often, and before each purge.
    private static let recordNanoseconds: Int64 = 10_000_000_000
    /// A stream of which nothing may go is looked at again only then: a look has many requests.
    private static let heldNanoseconds: Int64 = 5_000_000_000
    private static let eventsMax = 64

    private let client: TapeClient
    private let jetStream: JetStream
    private let port: OwnershipPort
    private let mailbox: TapeMailbox
    private let heard: PositionsHeard
    private let shared: TapeKeeper.Shared
    private let keep: Duration
    private let clock = SystemClock()
    private var registry: GroupRegistry?
    private var groups: [RegisteredGroup] = []
    /// Of each group, what of its positions is on record.
    private var recorded: [GroupName: UInt64] = [:]
    private var recordedAt = Int64.min
    private var heldUntil: [String: Int64] = [:]
    private var claim: (tenure: UInt64, epoch: UInt64)?
    private var events: [TapeEvent] = []
    private var orders: [OwnershipOrder] = []

    init(
        _ client: TapeClient, port: OwnershipPort, mailbox: TapeMailbox, heard: PositionsHeard,
        shared: TapeKeeper.Shared, keep: Duration
    ) {
        self.client = client
        jetStream = JetStream(client.connection, timeout: Self.callTimeout)
        self.port = port
        self.mailbox = mailbox
        self.heard = heard
        self.shared = shared
        self.keep = keep
    }

    func run() {
        while !mailbox.isClosed {
            if isKeeper {
                do {
                    try record(isUrgent: false)
                    shared.report.withLock { $0.problem = nil }
                } catch {
                    failed("\(error)")
                }
                for stream in client.names.allStreams where isKeeper { keep(stream) }
            }
            wait(Self.turn)
        }
    }

    // MARK: ownership

    /// Asked between any two steps: another process may have taken over.
    private var isKeeper: Bool {
        obey()
        return claim != nil && !mailbox.isClosed
            && port.isSteady(now: clock.monotonic().nanoseconds)
    }

    private func obey() {
        port.take(into: &orders)
        for order in orders {
            switch order {
            case .take(let partition, let claim):
                self.claim = (claim.tenure, claim.epoch)
                port.tell(.opened(partition, tenure: claim.tenure, epoch: claim.epoch))
                changed(true)
            case .release(let partition, let tenure):
                if claim?.tenure == tenure { changed(false) }
                // Each step is over when it is answered: nothing is under way here.
                port.tell(.released(partition, tenure: tenure))
            case .drop(_, let tenure):
                if claim?.tenure == tenure { changed(false) }
            }
        }
        orders.removeAll(keepingCapacity: true)
    }

    private func changed(_ isKeeper: Bool) {
        if !isKeeper { claim = nil }
        // A predecessor may have written since.
        (registry, groups, recorded, recordedAt, heldUntil) = (nil, [], [:], Int64.min, [:])
        shared.report.withLock { report in
            report.isKeeper = isKeeper
            if !isKeeper { report.streams = [:] }
        }
        client.telemetry.metrics.gauge(
            "mds_keeper_active", "1 in the process that keeps the tape in bounds, else 0."
        ).set(isKeeper ? 1 : 0)
        if !isKeeper { for stream in client.names.allStreams { show(nil, of: stream) } }
        client.telemetry.emit(KeeperChanged(isKeeper: isKeeper))
    }

    private func wait(_ timeout: Duration) {
        _ = mailbox.receive(into: &events, max: Self.eventsMax, timeout: timeout)
        events.removeAll(keepingCapacity: true)
    }

    // MARK: positions

    /// Puts on record what was heard of registered groups. What is not on record counts for
    /// nothing.
    private func record(isUrgent: Bool) throws {
        let now = clock.monotonic().nanoseconds
        guard isUrgent || recordedAt == Int64.min || now >= recordedAt + Self.recordNanoseconds
        else { return }
        let registry = try self.registry ?? GroupRegistry.make(client)
        self.registry = registry
        groups = try registry.groups()
        let book = heard.book
        for index in groups.indices {
            let group = groups[index].group
            guard let told = book.groups[group.text], recorded[group] != told.changes else {
                continue
            }
            var positions = [PositionBook.Place: ReaderPosition](
                groups[index].positions.map { (PositionBook.Place($0), $0) }
            ) { $1 }
            positions.merge(told.positions) { $1 }
            try registry.record(Array(positions.values), of: group, told: clock.now())
            groups[index].positions = Array(positions.values)
            recorded[group] = told.changes
        }
        recordedAt = now
    }

    // MARK: streams

    private func keep(_ stream: String) {
        do {
            guard let info = try jetStream.streamInfo(stream), info.configuration.maxBytes > 0
            else { return }
            let marks = PurgeMarks(bytesMax: UInt64(info.configuration.maxBytes))
            shared.report.withLock { report in
                report.streams[stream, default: KeeperReport.Stream()].bytes = info.bytes
                report.streams[stream]?.marks = marks
            }
            guard info.bytes > marks.startBytes else {
                tell(nil, of: stream)
                return
            }
            let now = clock.monotonic().nanoseconds
            guard now >= heldUntil[stream] ?? Int64.min else { return }
            try record(isUrgent: true)
            try purge(info, marks)
        } catch {
            heldUntil[stream] = clock.monotonic().nanoseconds + Self.heldNanoseconds
            client.telemetry.emit(PurgeFailed(stream: stream, reason: "\(error)"))
            shared.report.withLock { $0.streams[stream]?.problem = "\(error)" }
        }
    }

    private func purge(_ info: StreamInfo, _ marks: PurgeMarks) throws {
        let stream = info.configuration.name
        let look = StreamLook(client: client, jetStream: jetStream, stream: stream, info: info)
        let plan = PurgePlan(try look.facts(groups, keep: keep, now: clock.now()))
        var work = PurgeWork(
            jetStream: jetStream, info: info,
            pass: PurgePass(plan, marks: marks, bytes: info.bytes))
        var outcome: PurgePass.Outcome?
        while isKeeper, outcome == nil {
            let started = clock.monotonic().nanoseconds
            outcome = try work.step()
            let took = clock.monotonic().nanoseconds - started
            let pause = PurgePace.pause(after: took, bytes: work.bytes, marks: marks)
            if outcome == nil, pause > 0 { wait(.nanoseconds(pause)) }
        }
        shared.report.withLock { report in
            report.streams[stream]?.purged += work.purged
            report.streams[stream]?.bytes = work.bytes
            report.streams[stream]?.problem = nil
            if outcome != nil { report.streams[stream]?.time = clock.now() }
        }
        guard let outcome else { return }
        client.telemetry.emit(
            StreamPurged(stream: stream, messages: work.purged, outcome: outcome))
        if outcome == .held {
            heldUntil[stream] = clock.monotonic().nanoseconds + Self.heldNanoseconds
        }
        let isHeld = outcome == .held && work.bytes > marks.startBytes
        tell(isHeld ? plan.holder : nil, of: stream)
    }

    // MARK: what is told

    private func failed(_ reason: String) {
        shared.report.withLock { $0.problem = reason }
        client.telemetry.emit(PurgeFailed(stream: "groups", reason: reason))
    }

    private func tell(_ holder: PurgePlan.Holder?, of stream: String) {
        let before = shared.report.withLock { report in
            let before = report.streams[stream]?.holder
            report.streams[stream]?.holder = holder
            return before
        }
        guard before?.label != holder?.label else { return }
        show(holder, of: stream)
        if let holder {
            client.telemetry.emit(PurgeHeld(stream: stream, holder: holder.sentence))
        }
    }

    private var shown: [String: String] = [:]

    private func show(_ holder: PurgePlan.Holder?, of stream: String) {
        if let label = shown[stream] { gauge(stream, label).remove() }
        shown[stream] = holder?.label
        if let label = holder?.label { gauge(stream, label).set(1) }
    }

    private func gauge(_ stream: String, _ label: String) -> Gauge {
        client.telemetry.metrics.gauge(
            "mds_keeper_held", "1 while what this group has not read keeps a stream too full.",
            labels: [("stream", stream), ("group", label)])
    }
}

/// One purge on its way.
struct PurgeWork {
    let jetStream: JetStream
    let info: StreamInfo
    var pass: PurgePass
    private(set) var purged: UInt64 = 0
    private(set) var bytes: UInt64

    init(jetStream: JetStream, info: StreamInfo, pass: PurgePass) {
        self.jetStream = jetStream
        self.info = info
        self.pass = pass
        bytes = info.bytes
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
        case .delete(let sequence):
            let wasThere = try jetStream.deleteMessage(stream: stream, sequence: sequence)
            purged += wasThere ? 1 : 0
            pass.deleted(wasThere)
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
