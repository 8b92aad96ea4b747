internal import NatsTransport
package import Primitives
internal import Synchronization
internal import TapeProtocol
internal import ServiceRuntime

/// Reports a group's positions over core NATS: once a second, and immediately when asked. From
/// these reports a gateway learns what a tape restored from a backup has lost. So a reader reports
/// its position also while it is stopped. There is one per data-plane thread.
package final class PositionReporter: Sendable {
    private static let intervalNanoseconds: Int64 = 1_000_000_000
    private static let questionsMax = 64

    private struct LastReport {
        var messages: [[UInt8]] = []
        var at = MonotonicTime.distantPast
    }

    private final class Sender: Sendable {
        let client: TapeClient
        let subject: String
        let last = Mutex(LastReport())

        init(_ client: TapeClient, _ group: String) {
            self.client = client
            subject = client.names.positions(group: group)
        }

        /// Sends the messages. A broken link is reported elsewhere; the next second brings the next
        /// message.
        func send(_ messages: [[UInt8]]) {
            for message in messages {
                do throws(NatsError) {
                    try client.connection.publish(message, to: subject)
                } catch {
                    client.telemetry.emit(.positionsNotSent(reason: "\(error)"))
                }
            }
        }
    }

    private let group: String
    private let sender: Sender
    private let subscription: NatsSubscription

    package init(_ client: TapeClient, group: String) throws(TapeError) {
        self.group = group
        let sender = Sender(client, group)
        self.sender = sender
        do throws(NatsError) {
            subscription = try client.connection.subscribe(
                client.names.positionsQuestion, pendingMessagesMax: Self.questionsMax
            ) { _ in
                sender.send(sender.last.withLock { $0.messages })
            }
        } catch {
            throw .nats(error)
        }
    }

    /// Call this often; it calls `positions` only when a report is due.
    package func report(now: MonotonicTime, _ positions: () -> [ReaderPosition]) {
        let isDue = sender.last.withLock {
            now >= $0.at.next(every: Self.intervalNanoseconds)
        }
        guard isDue else { return }
        let messages = PositionMessage.messages(group: group, positions())
        sender.last.withLock { $0 = LastReport(messages: messages, at: now) }
        sender.send(messages)
    }
}

extension ServiceEvent {
    static func positionsNotSent(reason: String) -> Self {
        Self(
            .debug, "tape.positions.untold", "the readers' positions could not be told",
            ("reason", .text(reason))
        ).counting(
            "mds_tape_positions_untold_total",
            "a message with readers' positions that could not be sent", "often: check the server")
    }
}
