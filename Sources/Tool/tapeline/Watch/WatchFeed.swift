import DeploymentWatch
import MarketModel
import MembershipTransport
import NatsTransport
import Primitives
import ServiceRuntime
import Synchronization
import TapeCodec
import TapeKeeping
import TapeProtocol
import TapeTransport

/// Takes samples of a deployment: the tape from its leaders, the rest from messages over core NATS.
final class WatchFeed {
    /// How long it listens for members, which all answer at the same time.
    private static let window: Duration = .milliseconds(250)
    private static let pendingMax = 4_096
    private static let pageTimeout: Duration = .milliseconds(500)
    /// No further page is asked in a look after this time.
    private static let pagesTimeout: Duration = .seconds(1)

    /// The subscription's thread writes here.
    private final class Receiver: Sendable {
        let positions = Mutex(WatchPositions())
    }

    private let deployment: Deployment
    private let client: TapeClient
    private let receiver = Receiver()
    private let subscription: NatsSubscription
    private let clock = SystemClock()
    /// `nil` if no database is named.
    private let gaps: WatchGaps?

    init(_ deployment: Deployment) throws(ToolError) {
        self.deployment = deployment
        let client = try deployment.openTape()
        self.client = client
        let receiver = receiver
        do {
            subscription = try client.connection.subscribe(
                client.names.positions, pendingMessagesMax: Self.pendingMax
            ) { message in
                // An invalid message is ignored. A service that receives one counts it.
                _ = receiver.positions.withLock {
                    $0.receive(message.payload, on: message.subject)
                }
            }
            try client.connection.publish([], to: client.names.positionsQuestion)
            gaps = deployment.postgres == nil ? nil : try WatchGaps(deployment)
        } catch {
            client.close()
            throw .unreachable("the readers cannot be asked: \(error)")
        }
    }

    /// Asks the services of a local stack, as its state has them now.
    private func askPages(into around: inout WatchSample.Around) throws(ToolError) {
        guard let home = deployment.home, let state = try StackState.read(home) else { return }
        let end = clock.deadline(after: Self.pagesTimeout)
        for unit in state.units {
            guard let port = unit.operationsPort else { continue }
            guard unit.process?.isAlive == true else {
                around.processes.append(
                    WatchSight.Process(name: unit.name, silence: "it is \(unit.state)"))
                continue
            }
            let left = min(Self.pageTimeout, clock.remaining(until: end))
            guard left > .zero else {
                around.processes.append(
                    WatchSight.Process(
                        name: unit.name, silence: "it was not asked: others did not answer"))
                continue
            }
            let page = OperationsPage.status(port, timeout: left)
            around.processes.append(WatchSight.Process(unit.name, page))
            if let page, unit.name.hasPrefix(StackPlan.gateway) { around.gateways.add(page) }
        }
    }

    /// Returns when the sources with an old watermark sent their last one. A source that is silent
    /// on purpose is retired; one of delayed data sends, and its watermarks are old.
    private func silence(_ sample: WatchSample) throws -> [String: Timestamp?] {
        var sent: [String: Timestamp?] = [:]
        for source in Set(sample.ticks.map(\.source)) where source != .manual {
            let heads = sample.ticks.filter { $0.source == source }
            let old = Self.oldStreams(heads, client.names, sample.now)
            guard !old.isEmpty else { continue }
            let standing = try SourceStanding(client, of: source)
            let times = old.map { stream, last in
                let time = standing.lasts[stream]?.header.sendTime ?? .undefined
                return time.isDefined ? time : last
            }
            let last = times.min() ?? Timestamp.undefined
            sent[source.text] = .some(standing.isRetired ? nil : last)
        }
        return sent
    }

    /// Returns the streams with ticks of a source whose watermark there is old, each with that
    /// watermark. It is the newest of the stream's partitions, because a gateway sends one for all
    /// of them. A stream without any has an undefined one.
    static func oldStreams(
        _ heads: [TapeReport.Head], _ names: TapeNames, _ now: Timestamp
    ) -> [Int: Timestamp] {
        [Int: [TapeReport.Head]](grouping: heads) { names.streamIndex(of: $0.partition) }
            .mapValues { $0.map(\.watermark).filter(\.isDefined).max() ?? .undefined }
            .filter { _, last in
                let age = last.isDefined ? Double(now.nanoseconds(since: last)) / 1e9 : .infinity
                return age > WatchVerdict.silentSeconds
            }
    }

    func close() {
        subscription.unsubscribe()
        gaps?.stop()
        client.close()
    }

    /// Takes a sample. Blocks as long as the servers take, and at least as long as it listens for
    /// members.
    func sample() throws(ToolError) -> WatchSample {
        var sample = WatchSample()
        do {
            sample.partitions = deployment.names.partitions
            for name in deployment.allStreams {
                guard let info = try client.jetStream.streamInfo(name) else {
                    throw ToolError.refused("stream \(name) is gone")
                }
                let limit = info.configuration.maxBytes
                sample.streams.append(
                    WatchSample.Stream(
                        name: name, bytes: info.bytes,
                        limit: limit < 0 ? nil : UInt64(limit)))
            }
            sample.ticks = try (0..<TapeNames.tickStreams).flatMap {
                try client.tickHeads(stream: $0)
            }
            sample.bars = try client.heads(
                stream: client.names.barStream, matching: client.names.allBars)
            sample.universe = try client.head(
                stream: client.names.barStream, subject: client.names.universeValues)
            sample.readAt = clock.monotonic()
            // Taken here, so that ages refer to the moment of reading, however long the rest takes.
            sample.now = clock.now()
            sample.around.sent = try silence(sample)
            let directory = try GroupDirectory(client, listeningFor: Self.window)
            sample.members = directory.members
            sample.owners = directory.owners
            sample.needed = try GroupRegistry.registrations(client).essential
        } catch {
            throw ToolError(error) { .unreachable("\($0)") }
        }
        sample.positions = receiver.positions.withLock { $0 }
        let known = gaps?.latest() ?? .init(absence: "no database is named (POSTGRES_HOST)")
        sample.gaps = known.gaps
        sample.around.isDatabaseAway = known.isAway
        sample.around.isDatabaseRefusing =
            gaps != nil && !known.isAway && !known.absence.isEmpty
        sample.around.openGaps = known.open
        sample.around.lost = known.lost
        sample.around.writtenSeconds = known.writtenSeconds
        sample.around.clock = known.clock
        try askPages(into: &sample.around)
        sample.gapsAbsence = known.absence
        return sample
    }
}
