import MembershipTransport
import NatsTransport
import Primitives
import ServiceRuntime
import Synchronization
import TapeProtocol
import TapeTransport

/// Takes samples of a deployment: the tape from its leaders, the rest from messages over core NATS.
final class WatchFeed {
    /// How long it listens for members, which all answer at the same time.
    private static let window: Duration = .milliseconds(250)
    private static let pendingMax = 4_096

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
                _ = receiver.positions.withLock { $0.receive(message.payload) }
            }
            try [UInt8]().withRawSpan { bytes throws(NatsError) in
                try client.connection.publish(bytes, to: client.names.positionsQuestion)
            }
            gaps = deployment.postgres == nil ? nil : try WatchGaps(deployment)
        } catch {
            client.close()
            throw .unreachable("the readers cannot be asked: \(error)")
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
            let directory = try GroupDirectory(client, listeningFor: Self.window)
            sample.members = directory.members
            sample.owners = directory.owners
        } catch let error as ToolError {
            throw error
        } catch {
            throw .unreachable("\(error)")
        }
        sample.positions = receiver.positions.withLock { $0 }
        let known = gaps?.latest() ?? .init(absence: "no database is named (POSTGRES_HOST)")
        sample.gaps = known.gaps
        sample.gapsAbsence = known.absence
        return sample
    }
}
