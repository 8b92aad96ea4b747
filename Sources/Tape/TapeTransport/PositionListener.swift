public import MarketModel
internal import NatsTransport
internal import Primitives
internal import Synchronization
internal import TapeCodec
internal import TapeProtocol
internal import ServiceRuntime

/// Listens to the positions that readers report on one source's ticks. Any thread may call it.
public final class PositionListener: Sendable {
    /// The most messages that wait while one is being read: all parts of many large groups.
    private static let messagesMax = 1_024

    private final class Ear: Sendable {
        struct Heard {
            var heads: [Partition: SourceRecord.Head] = [:]
            var isNews = false
        }

        let heard = Mutex(Heard())
        let source: SourceName
        let telemetry: TelemetryHub

        init(_ source: SourceName, _ telemetry: TelemetryHub) {
            self.source = source
            self.telemetry = telemetry
        }

        func hear(_ payload: [UInt8]) {
            let message: PositionMessage
            do throws(VersionedJSON.Refusal) {
                message = try PositionMessage(json: payload)
            } catch {
                telemetry.emit(PositionsNotUnderstood(bytes: payload.count, refusal: error))
                return
            }
            heard.withLock { heard in
                for position in message.positions where position.input == .ticks {
                    for entry in position.sources where entry.source == source {
                        note(entry, position.partition, &heard)
                    }
                }
            }
        }

        /// Notes a report. The highest number of all readers counts.
        private func note(
            _ entry: SourceOrdinal, _ partition: Partition, _ heard: inout Heard
        ) {
            let known = heard.heads[partition] ?? SourceRecord.Head(epoch: 0, lastOrdinal: 0)
            let risen = SourceRecord.Head(
                epoch: max(known.epoch, entry.epoch),
                lastOrdinal: max(known.lastOrdinal, entry.lastOrdinal))
            guard risen != known else { return }
            heard.heads[partition] = risen
            heard.isNews = true
        }
    }

    public let source: SourceName
    private let client: TapeClient
    private let ear: Ear
    private let subscription: NatsSubscription

    public init(_ client: TapeClient, source: SourceName) throws(TapeError) {
        self.client = client
        self.source = source
        let ear = Ear(source, client.telemetry)
        self.ear = ear
        do throws(NatsError) {
            subscription = try client.connection.subscribe(
                client.names.positions, pendingMessagesMax: Self.messagesMax
            ) { ear.hear($0.payload) }
        } catch {
            throw .nats(error)
        }
    }

    /// Asks all readers to report immediately. Their reports come within the time that a message
    /// takes.
    public func ask() throws(TapeError) {
        do throws(NatsError) {
            try [UInt8]().withRawSpan { bytes throws(NatsError) in
                try client.connection.publish(bytes, to: client.names.positionsQuestion)
            }
        } catch {
            throw .nats(error)
        }
    }

    /// Everything received so far.
    public var known: SourceRecord { ear.heard.withLock { SourceRecord($0.heads) } }

    /// Returns everything received so far, if it has risen since the last call.
    public func news() -> SourceRecord? {
        ear.heard.withLock { heard in
            guard heard.isNews else { return nil }
            heard.isNews = false
            return SourceRecord(heard.heads)
        }
    }
}

extension SourceRecord {
    fileprivate init(_ heads: [Partition: Head]) {
        self.init(
            heads: [Lane: Head](uniqueKeysWithValues: heads.map { (.ticks($0.key), $0.value) }))
    }
}

struct PositionsNotUnderstood: TelemetryEvent {
    static let name = "tape.positions.not_understood"
    let bytes: Int
    let refusal: VersionedJSON.Refusal

    var level: LogLevel { .warning }
    var message: String { "reported positions are ignored: \(refusal)" }
    var fields: [(String, LogValue)] { [("bytes", .integer(Int64(bytes)))] }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_tape_positions_not_understood_total",
            "Messages with readers' positions that were refused as a whole."
        ).add()
    }
}
