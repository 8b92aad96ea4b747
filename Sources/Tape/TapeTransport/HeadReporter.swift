package import MarketModel
internal import NatsTransport
package import Primitives
internal import Synchronization
internal import TapeProtocol
internal import ServiceRuntime

/// Reports, over core NATS once a second, what the tape has acknowledged of a source. Readers use
/// it to compute their lag. For bars, each worker reports the partitions that it owns. Any thread
/// may use it.
package final class HeadReporter: Sendable {
    private static let intervalNanoseconds: Int64 = 1_000_000_000

    private let client: TapeClient
    private let source: SourceName
    private let input: ReaderPosition.Input
    private let subject: String
    private let reportedAt = Mutex(MonotonicTime.distantPast)

    package init(_ client: TapeClient, source: SourceName, input: ReaderPosition.Input) {
        self.client = client
        self.source = source
        self.input = input
        subject = client.names.heads(source)
    }

    /// Call this often; it calls `heads` only when a report is due. A message
    /// that cannot be sent is not sent later, because the next second brings the next one.
    package func report(now: MonotonicTime, _ heads: () -> [TapeHead]) {
        let isDue = reportedAt.withLock { reportedAt in
            guard now >= reportedAt.next(every: Self.intervalNanoseconds) else {
                return false
            }
            reportedAt = now
            return true
        }
        guard isDue else { return }
        for message in HeadMessage.messages(source, input, heads()) {
            do throws(NatsError) {
                try client.connection.publish(message, to: subject)
            } catch {
                client.telemetry.emit(.headsNotSent(reason: "\(error)"))
            }
        }
    }
}

extension ServiceEvent {
    static func headsNotSent(reason: String) -> Self {
        Self(
            .debug, "tape.heads.untold", "the newest ordinals could not be told",
            ("reason", .text(reason))
        ).counting(
            "mds_tape_heads_untold_total", "a message with the tape's heads that could not be sent",
            "often: check the server")
    }
}
