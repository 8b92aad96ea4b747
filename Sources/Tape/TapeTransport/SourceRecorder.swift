package import MarketModel
internal import NatsTransport
package import Primitives
internal import ServiceRuntime
internal import Synchronization
internal import TapeProtocol

/// Keeps the record of one source (`SourceRecord`) in the namespace's bucket of sources.
///
/// The gateway creates it when it opens the source, which reads the stored record and blocks. From
/// then on the gateway hands over a new record about once a second, and a separate thread writes
/// it, so that a slow disk of the server never delays ticks. A failed write is an event. It is
/// tried again until it succeeds, a newer record replaces it, or the recorder is stopped.
package final class SourceRecorder: Sendable {
    /// The timeout of every call to NATS. It is short, so that at the end the call in progress and
    /// the last write do not take long.
    static let callTimeout = Duration.seconds(1)
    /// The time between two tries of a failed write.
    private static let retryInterval = Duration.seconds(1)
    /// The most records that wait for a write. Only the newest of them is written.
    private static let waitingMax = 4

    /// The state that `/status` shows.
    package struct Status: Sendable {
        /// The number of writes that succeeded.
        package fileprivate(set) var writes: UInt64 = 0
        /// The time in the record that was written last; undefined until one was.
        package fileprivate(set) var written = Timestamp.undefined
        /// Why the last write failed; `nil` when it succeeded.
        package fileprivate(set) var problem: String?

        package init() {}
    }

    /// The record that was stored when the gateway opened the source; empty when there was none, or
    /// when it could not be read.
    package let found: SourceRecord
    private let shared = Shared()
    private let thread: ServiceThread

    private final class Shared: Sendable {
        let waiting = Mailbox<SourceRecord>(capacity: SourceRecorder.waitingMax)
        let status = Mutex(Status())
    }

    /// Reads the stored record and starts the thread. Throws `TapeError`, or an error when the
    /// thread cannot be started.
    package init(_ client: TapeClient, source: SourceName) throws {
        var stored = try Self.open(client, source)
        do throws(JetStreamError) {
            if let refusal = try stored.read() {
                client.telemetry.emit(.sourceRecordRefused(source: source, refusal: refusal))
            }
        } catch {
            throw TapeError.jetStream(error)
        }
        found = stored.record
        let (shared, telemetry) = (shared, client.telemetry)
        let suffix = source.isDelayed ? SourceName.delayedSuffix : ""
        telemetry.metrics.watch(shared.waiting, as: "source-records\(suffix)")
        thread = try ServiceThread(name: "source-record") { [stored] in
            let beat = client.threads.thread("source-record", within: ThreadWatch.callLimit)
            defer { beat.retire() }
            let jetStream = client.calling(beat).jetStream.within(Self.callTimeout)
            Self.run(stored.asked(by: jetStream), source, shared, telemetry, beat)
        }
    }

    deinit { shared.waiting.close() }

    private static func open(
        _ client: TapeClient, _ source: SourceName
    ) throws(TapeError) -> StoredSourceRecord {
        let jetStream = client.jetStream.within(callTimeout)
        return StoredSourceRecord(
            try jetStream.openOrMakeBucket(client.names.sourceBucketConfiguration), source: source)
    }

    // MARK: calls of the owner

    /// Queues a record to be written as soon as possible. Never blocks. Returns false when too many
    /// wait, or when the recorder is stopped.
    @discardableResult
    package func record(_ record: SourceRecord) -> Bool { shared.waiting.send(record) }

    /// Writes what waits and ends the thread. Returns false when the thread is still busy after
    /// `timeout`.
    @discardableResult
    package func stop(within timeout: Duration) -> Bool {
        shared.waiting.close()
        return thread.join(timeout: timeout)
    }

    /// The present state. Any thread may read it.
    package var status: Status { shared.status.withLock { $0 } }

    // MARK: the thread

    /// Writes the newest record that waits, until the recorder is stopped or a later owner writes.
    private static func run(
        _ start: StoredSourceRecord, _ source: SourceName, _ shared: Shared,
        _ telemetry: TelemetryHub, _ beat: ThreadBeat
    ) {
        var stored = start
        var buffer: [SourceRecord] = []
        var pending: SourceRecord?
        while true {
            beat.beat()
            let count = shared.waiting.receive(
                into: &buffer, max: waitingMax, timeout: retryInterval)
            if count == 0, shared.waiting.isClosed { return }
            pending = buffer.last ?? pending
            buffer.removeAll(keepingCapacity: true)
            guard let record = pending else { continue }
            switch attempt(&stored, record) {
            case .stored:
                pending = nil
                shared.status.withLock {
                    $0.writes += 1
                    $0.written = record.time
                    $0.problem = nil
                }
                telemetry.emit(.sourceRecordWritten(source: source))
            case .unsettled(let reason):
                shared.status.withLock { $0.problem = reason }
                telemetry.emit(.sourceRecordFailed(source: source, reason: reason))
            case .superseded:
                let reason = "a later owner, or a newer release, writes it now"
                shared.status.withLock { $0.problem = reason }
                telemetry.emit(.sourceRecordSuperseded(source: source, reason: reason))
                return
            }
        }
    }

    /// Writes a record. An error of NATS counts as `unsettled`, so that it is tried again.
    private static func attempt(
        _ stored: inout StoredSourceRecord, _ record: SourceRecord
    ) -> StoredSourceRecord.Outcome {
        do throws(JetStreamError) {
            return try stored.write(record)
        } catch {
            return .unsettled("\(error)")
        }
    }
}

// MARK: events

extension ServiceEvent {
    static func sourceRecordWritten(source: SourceName) -> Self {
        Self(
            .trace, "tape.record.written", "what the tape acknowledged of the source is on record",
            ("source", .text(source.text))
        ).counting(
            "mds_tape_record_writes_total",
            "a write of the source's record (epochs and last ordinals), at most one a second",
            labels: [("source", source.text)])
    }

    static func sourceRecordFailed(source: SourceName, reason: String) -> Self {
        Self(
            .warning, "tape.record.failed",
            "the source's record was not written; ticks continue, and the write is tried again",
            ("source", .text(source.text)), ("reason", .text(reason))
        ).counting(
            "mds_tape_record_failures_total",
            "a write of the source's record that failed; ticks continue, the write is tried again",
            "rises for long: check NATS and its rights", labels: [("source", source.text)])
    }

    static func sourceRecordRefused(source: SourceName, refusal: VersionedJSON.Refusal) -> Self {
        Self(
            .error, "tape.record.damaged",
            "the source's record cannot be read and is "
                + "\(refusal.isNewer ? "left as it is" : "written again"); meanwhile only the tape "
                + "and its readers know which ordinals were given out: \(refusal)",
            ("source", .text(source.text)))
    }

    static func sourceRecordSuperseded(source: SourceName, reason: String) -> Self {
        Self(
            .warning, "tape.record.superseded",
            "this process does not write the source's record: \(reason)",
            ("source", .text(source.text)))
    }
}
