internal import Primitives
internal import ValkeyClient

/// One session with Valkey. At most one round trip is in progress, and its thread never waits long.
final class HotSession {
    /// The outcome of a round trip.
    struct Settled {
        /// The number of keys that were sent.
        var keys = 0
        /// The number of keys whose values were written. A newer value there stays.
        var written = 0
        /// The number of keys that were replaced because they were no hashes.
        var replaced = 0
        /// The marker was missing: the database was flushed.
        var isFlushed = false
        /// The first reason among the refused calls; `nil` when none was refused.
        var refusal: String?
    }

    private let connection: ValkeyConnection
    /// The key of the marker, and its life in milliseconds as text.
    private let marker: [UInt8]
    private let life: [UInt8]
    private var writing: HotWriting
    /// The values of the present round trip.
    private var batch = HotBatch()
    /// Whether the present round trip renews the marker.
    private var carriesMarker = false
    private var replies: [ValkeyReply] = []
    /// True when a round trip was begun and not settled. The connection does not show it: when the
    /// server is quick, all answers have arrived before `begin` returns, and none is awaited any
    /// more.
    private(set) var isWaiting = false

    /// Connects. Blocks for at most the configured time.
    ///
    /// `marker` is a key of this process. While it exists, the database was not flushed.
    init(
        _ configuration: ValkeyConfiguration, namespace: String, marker: String,
        lifeMilliseconds: Int64
    ) throws {
        connection = try ValkeyConnection(configuration)
        self.marker = Array(marker.utf8)
        life = Array("\(lifeMilliseconds)".utf8)
        writing = HotWriting(
            namespace: namespace, digests: try HotScripts.load(on: connection))
        let reply = try connection.command([
            "SET", .bytes(self.marker), "1", "PX", .bytes(life),
        ])
        if let refusal = reply.errorMessage { throw HotScripts.Refused(reason: refusal) }
    }

    func close() { connection.close() }

    /// Loads the scripts again after a SCRIPT FLUSH. Blocks for a round trip.
    func reloadScripts(namespace: String) throws {
        writing = HotWriting(namespace: namespace, digests: try HotScripts.load(on: connection))
    }

    /// Sends pending values, at most `keysMax`, and the marker when it is due. If anything is sent,
    /// the caller must call `advance` until it settles.
    func begin(
        _ table: inout HotTable, keysMax: Int, withMarker: Bool, now: MonotonicTime, life: Int64
    ) throws(ValkeyError) {
        batch.removeAll()
        table.take(atMost: keysMax, now: now, heardAfter: now - life, into: &batch)
        writing.write(batch, of: table, now: now, lifeNanoseconds: life)
        carriesMarker = withMarker
        if withMarker { writing.append(marker: marker, life: self.life) }
        isWaiting = writing.commands.count > 0
        connection.append(writing.commands)
        replies.removeAll(keepingCapacity: true)
        try connection.advance(waitingAtMost: .zero, into: &replies)
    }

    /// Receives answers. Returns the outcome of the round trip; `nil` while answers are missing.
    func advance(
        waitingAtMost wait: Duration, _ table: inout HotTable
    ) throws(ValkeyError) -> Settled? {
        try connection.advance(waitingAtMost: wait, into: &replies)
        guard connection.pendingReplies == 0 else { return nil }
        isWaiting = false
        var settled = Settled()
        for (call, reply) in zip(writing.calls, replies) {
            settled.keys += call.range.count
            guard case .integer(let outcome) = reply else {
                settled.refusal =
                    settled.refusal ?? reply.errorMessage ?? "a script answered no number"
                table.putBack(call.kind, batch.places(call.kind)[call.range])
                continue
            }
            settled.written += Int(clamping: outcome % HotScripts.replacedFactor)
            settled.replaced += Int(clamping: outcome / HotScripts.replacedFactor)
        }
        if carriesMarker, let last = replies.last {
            if case .null = last { settled.isFlushed = true }
            settled.refusal = settled.refusal ?? last.errorMessage
        }
        return settled
    }

    /// Returns the earliest times of the values that the last round trip wrote.
    func oldest(in table: HotTable) -> (received: Timestamp, stored: Timestamp) {
        table.oldest(of: batch)
    }

    /// Handles a round trip whose outcome is unknown: all of it is written again.
    func giveUp(_ table: inout HotTable) {
        guard !writing.calls.isEmpty else { return }
        for kind in HotKind.allCases { table.putBack(kind, batch.places(kind)[...]) }
    }
}
