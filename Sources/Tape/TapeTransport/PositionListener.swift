package import MarketModel
internal import NatsTransport
internal import Primitives
internal import Synchronization
internal import TapeCodec
internal import TapeProtocol
internal import ServiceRuntime

/// Listens to the positions that readers report on one source's ticks. Any thread may call it.
package final class PositionListener: Sendable {
    /// The most messages that wait while one is being read: all parts of many large groups.
    private static let messagesMax = 1_024

    private final class Receiver: Sendable {
        struct Received {
            var heads: [Partition: SourceRecord.Head] = [:]
            /// Whether a head has risen since it was last taken.
            var hasRisen = false
        }

        let received = Mutex(Received())
        let source: SourceName
        let telemetry: TelemetryHub

        init(_ source: SourceName, _ telemetry: TelemetryHub) {
            self.source = source
            self.telemetry = telemetry
        }

        func receive(_ payload: [UInt8], on subject: String) {
            let message: PositionMessage
            do throws(VersionedJSON.Refusal) {
                message = try PositionMessage(json: payload, on: subject)
            } catch {
                telemetry.emit(.positionsNotUnderstood(bytes: payload.count, refusal: error))
                return
            }
            // What a program of people says makes no source skip ordinals.
            guard message.isOfService else { return }
            received.withLock { received in
                for position in message.positions where position.input == .ticks {
                    for entry in position.sources where entry.source == source {
                        note(entry, position.partition, &received)
                    }
                }
            }
        }

        /// Notes a report. The highest number of all readers counts.
        private func note(
            _ entry: SourceOrdinal, _ partition: Partition, _ received: inout Received
        ) {
            let known = received.heads[partition] ?? SourceRecord.Head(epoch: 0, lastOrdinal: 0)
            let risen = SourceRecord.Head(
                epoch: max(known.epoch, entry.epoch),
                lastOrdinal: max(known.lastOrdinal, entry.lastOrdinal))
            guard risen != known else { return }
            received.heads[partition] = risen
            received.hasRisen = true
        }
    }

    package let source: SourceName
    private let client: TapeClient
    private let receiver: Receiver
    private let subscription: NatsSubscription

    package init(_ client: TapeClient, source: SourceName) throws(TapeError) {
        self.client = client
        self.source = source
        let receiver = Receiver(source, client.telemetry)
        self.receiver = receiver
        do throws(NatsError) {
            subscription = try client.connection.subscribe(
                client.names.positions, pendingMessagesMax: Self.messagesMax
            ) { receiver.receive($0.payload, on: $0.subject) }
        } catch {
            throw .nats(error)
        }
    }

    /// Asks all readers to report immediately. Their reports come within the time that a message
    /// takes.
    package func ask() throws(TapeError) {
        do throws(NatsError) {
            try client.connection.publish([], to: client.names.positionsQuestion)
        } catch {
            throw .nats(error)
        }
    }

    /// Everything received so far.
    package var known: SourceRecord { receiver.received.withLock { SourceRecord($0.heads) } }

    /// Returns everything received so far, if it has risen since the last call; else `nil`.
    package func takeRisen() -> SourceRecord? {
        receiver.received.withLock { received in
            guard received.hasRisen else { return nil }
            received.hasRisen = false
            return SourceRecord(received.heads)
        }
    }
}

extension SourceRecord {
    fileprivate init(_ heads: [Partition: Head]) {
        self.init(
            heads: [Lane: Head](uniqueKeysWithValues: heads.map { (.ticks($0.key), $0.value) }))
    }
}

extension ServiceEvent {
    static func positionsNotUnderstood(bytes: Int, refusal: VersionedJSON.Refusal) -> Self {
        Self(
            .warning, "tape.positions.not_understood", "reported positions are ignored: \(refusal)",
            ("bytes", .integer(Int64(bytes)))
        ).counting(
            "mds_tape_positions_not_understood_total",
            "a message with readers' positions that could not be decoded and was ignored",
            "the log says why: upgrade this process if the sender is of a newer release, else "
                + "find out which process sends to `<namespace>.pos.*`")
    }
}
