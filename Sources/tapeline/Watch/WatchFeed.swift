import MembershipTransport
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import Synchronization
import TapeProtocol
import TapeTransport

/// Looks at a deployment: the tape by its leaders, the rest by what is said over core NATS.
final class WatchFeed {
    /// How long members are listened to; all answer at once.
    private static let window: Duration = .milliseconds(250)
    private static let pendingMax = 4_096
    private static let gapsTimeout: Duration = .seconds(2)

    /// Written by the subscription's thread.
    private final class Ear: Sendable {
        let positions = Mutex(WatchPositions())
    }

    private let deployment: Deployment
    private let client: TapeClient
    private let ear = Ear()
    private let subscription: NatsSubscription
    private let clock = SystemClock()
    private var database: PostgresConnection?

    init(_ deployment: Deployment) throws(ToolError) {
        self.deployment = deployment
        client = try deployment.openTape()
        let ear = ear
        do throws(NatsError) {
            subscription = try client.connection.subscribe(
                client.names.positions, pendingMessagesMax: Self.pendingMax
            ) { message in
                // What makes no sense is no position; a service that says so counts it.
                _ = ear.positions.withLock { $0.hear(message.payload) }
            }
            try [UInt8]().withRawSpan { bytes throws(NatsError) in
                try client.connection.publish(bytes, to: client.names.positionsQuestion)
            }
        } catch {
            client.close()
            throw .unreachable("the readers cannot be asked: \(error)")
        }
    }

    func close() {
        subscription.unsubscribe()
        database?.close()
        client.close()
    }

    /// Blocks as long as the servers take, and at least as long as members are listened to.
    func look() throws(ToolError) -> WatchSample {
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
            sample.readAt = clock.monotonic().nanoseconds
            let directory = try GroupDirectory(client, listeningFor: Self.window)
            sample.members = directory.members
            sample.owners = directory.owners
        } catch let error as ToolError {
            throw error
        } catch {
            throw .unreachable("\(error)")
        }
        sample.positions = ear.positions.withLock { $0 }
        readGaps(into: &sample)
        sample.now = clock.now()
        return sample
    }

    /// The tape can be watched while the database is away.
    private func readGaps(into sample: inout WatchSample) {
        guard deployment.postgres != nil else {
            sample.gapsAbsence = "no database is named (POSTGRES_HOST)"
            return
        }
        do {
            let database = try self.database ?? deployment.openDatabase()
            self.database = database
            let rows = try database.execute(
                "SELECT source, count(*) FROM gaps GROUP BY source", timeout: Self.gapsTimeout)
            var gaps: [String: UInt64] = [:]
            for row in 0..<rows.rowCount {
                guard let source = rows[row, 0], let count = rows.integer(row, 1) else { continue }
                gaps[source] = UInt64(clamping: count)
            }
            sample.gaps = gaps
        } catch {
            database?.close()
            database = nil
            sample.gapsAbsence = "\(error)"
        }
    }
}
