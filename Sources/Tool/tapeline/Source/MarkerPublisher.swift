import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// Opens epochs on the subjects of a source's watermarks, and publishes nothing in them.
final class MarkerPublisher {
    static let timeout: Duration = .seconds(30)
    private static let turn: Duration = .milliseconds(5)
    private static let eventsMax = 64

    private let client: TapeClient
    private let mailbox = TapeMailbox(capacity: MarkerPublisher.eventsMax)
    private let publisher: TapePublisher
    private let shutdown: ShutdownSignal
    private let clock = SystemClock()
    private var lanes: [(lane: Int, last: LastPacket?)] = []
    private var events: [TapeEvent] = []

    init(_ client: TapeClient, _ shutdown: ShutdownSignal) throws {
        self.client = client
        self.shutdown = shutdown
        client.notify(mailbox)
        publisher = try TapePublisher(client, mailbox: mailbox)
    }

    /// Adds a stream whose last packet of the source is `last`. Another last packet of a lower
    /// epoch is fenced; one of a higher epoch refuses the marker.
    func add(
        _ source: SourceName, stream: Int, flags: PacketFlags, behind last: LastPacket?,
        aboveEpoch: UInt64
    ) {
        let lane = publisher.addLane(
            subject: client.names.watermarks(stream: stream, source),
            stream: client.names.tickStream(stream),
            builder: PacketBuilder(
                kind: .watermark, partition: Partition(stream), source: source),
            marking: PublisherLane.Marking(flags: flags))
        publisher.raise(nextOrdinal: 1, aboveEpoch: aboveEpoch, lane: lane)
        lanes.append((lane, last))
    }

    /// Returns when all markers are on the tape.
    func publish() throws {
        let complaint = client.complaint
        for (lane, last) in lanes { publisher.open(lane: lane, behind: last) }
        let deadline = clock.deadline(after: Self.timeout)
        while !lanes.allSatisfy({ publisher.isReady(lane: $0.lane) }) {
            try refuseWithoutRight(after: complaint)
            guard clock.remaining(until: deadline) > .zero else { throw late }
            guard !shutdown.isRequested else {
                throw ToolError.refused("interrupted; run it again, it completes what is there")
            }
            publisher.timePassed()
            _ = mailbox.receive(into: &events, max: Self.eventsMax, timeout: Self.turn)
            for event in events {
                switch event {
                case .answer(let message): publisher.handle(message)
                case .closed(let reason): throw ToolError.unreachable("NATS is gone: \(reason)")
                case .delivery, .reconnected, .wake: continue
                }
            }
            events.removeAll(keepingCapacity: true)
            publisher.acknowledged.removeAll(keepingCapacity: true)
            publisher.rolledBack.removeAll(keepingCapacity: true)
            guard !lanes.contains(where: { publisher.isFenced(lane: $0.lane) }) else {
                throw ToolError.refused(
                    "another process opened the source meanwhile, so this is not completed: run "
                        + "it again (to retire the source, stop its gateway before)")
            }
        }
    }

    /// Throws when the server has refused a request for want of a right, to which it sends no
    /// answer. `before` is what it said last before the markers were sent.
    private func refuseWithoutRight(after before: String?) throws {
        guard let complaint = client.complaint, complaint != before,
            complaint.contains("ermission")
        else { return }
        throw ToolError.refused(
            "NATS does not let this user mark sources (\(complaint)): let NATS load "
                + "deploy/nats/server.conf of this release, and name the user 'tool' by NATS_USER "
                + "and NATS_PASSWORD or NATS_PASSWORD_FILE; then run it again")
    }

    /// The error of markers that are not all on the tape in time.
    private var late: ToolError {
        let taken = lanes.count { publisher.isReady(lane: $0.lane) }
        let trouble = publisher.trouble ?? "no answer"
        guard taken > 0 else {
            return .unreachable(
                "the tape took nothing for \(Self.timeout.shown): \(trouble); run it again later")
        }
        return .unreachable(
            "the tape took \(taken) of \(lanes.count) markers in \(Self.timeout.shown): "
                + "\(trouble); this is not completed: run it again, it completes what is there")
    }
}
