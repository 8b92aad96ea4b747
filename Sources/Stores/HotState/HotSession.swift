internal import Primitives
internal import ValkeyClient

/// One session with Valkey, on the thread of `HotStateKeeper`. A *round trip* sends values, and the
/// marker when it is due, and ends with their answers. At most one is in progress.
final class HotSession {
    /// The outcome of a round trip.
    struct Settled {
        /// The number of keys in the calls that Valkey carried out.
        var keys = 0
        /// The number of these keys whose values were written. For the other keys Valkey has a
        /// newer value.
        var written = 0
        /// The number of keys that were replaced because they were no hashes.
        var replaced = 0
        /// Whether the marker was missing, so that Valkey was emptied.
        var isFlushed = false
        /// The first reason among the refused calls; `nil` when none was refused.
        var refusal: String?
        /// The same for calls of lanes, which no value waits for.
        var laneRefusal: String?
        /// Whether a call of lanes was carried out.
        var hasLanes = false

        /// Counts the answer to a call of values with this number of keys. Returns false when the
        /// call was refused.
        mutating func add(_ reply: ValkeyReply, keys count: Int) -> Bool {
            guard case .integer(let outcome) = reply else {
                refusal = refusal ?? Self.reason(reply)
                return false
            }
            keys += count
            written += Int(clamping: outcome % HotScripts.replacedFactor)
            replaced += Int(clamping: outcome / HotScripts.replacedFactor)
            return true
        }

        /// Counts the answer to a call of lanes. Scripts that Valkey has lost concern values, too.
        mutating func add(ofLanes reply: ValkeyReply) -> Bool {
            guard case .integer(let outcome) = reply else {
                let reason = Self.reason(reply)
                if HotFailure(refusal: reason) == .scripts {
                    refusal = refusal ?? reason
                } else {
                    laneRefusal = laneRefusal ?? reason
                }
                return false
            }
            hasLanes = true
            replaced += Int(clamping: outcome / HotScripts.replacedFactor)
            return true
        }

        private static func reason(_ reply: ValkeyReply) -> String {
            reply.errorMessage ?? "a script answered no number"
        }
    }

    private let connection: ValkeyConnection
    /// The key of the marker.
    private let marker: [UInt8]
    /// The marker's life in milliseconds, as text: one that a process leaves goes soon.
    private let life = Array("300000".utf8)
    /// The commands of the present round trip.
    private var writing: HotWriting
    /// The values of the present round trip.
    private var batch = HotBatch()
    /// Whether the present round trip renews the marker.
    private var carriesMarker = false
    /// The answers of the present round trip so far.
    private var replies: [ValkeyReply] = []
    /// Whether a round trip was begun, and `advance` has not returned its outcome. The connection
    /// does not show this: when the server is quick, all answers are there before `begin` returns.
    private(set) var isWaiting = false

    /// Connects, loads the scripts and sets the marker. Each step blocks for at most the configured
    /// time.
    ///
    /// `marker` is a key of this process. While it exists, Valkey was not emptied.
    init(
        _ configuration: ValkeyConfiguration, namespace: String, marker: String
    ) throws {
        connection = try ValkeyConnection(configuration)
        self.marker = Array(marker.utf8)
        writing = HotWriting(
            namespace: namespace, digests: try HotScripts.load(on: connection),
            marker: self.marker)
        let reply = try connection.command([
            "SET", .bytes(self.marker), "1", "PX", .bytes(life),
        ])
        if let refusal = reply.errorMessage { throw HotScripts.Refused(reason: refusal) }
    }

    func close() { connection.close() }

    /// Loads the scripts again after a SCRIPT FLUSH. Blocks for a round trip.
    func reloadScripts(namespace: String) throws {
        writing = HotWriting(
            namespace: namespace, digests: try HotScripts.load(on: connection), marker: marker)
    }

    /// Begins a round trip with at most `keysMax` pending values, and with the marker if
    /// `withMarker`. While `isWaiting`, the caller must call `advance`.
    func begin(
        _ table: inout HotTable, keysMax: Int, withMarker: Bool, now: MonotonicTime, _ ages: HotAges
    ) throws(ValkeyError) {
        batch.removeAll()
        let alive = now - ages.life
        table.take(atMost: keysMax, now: now, heardAfter: alive, into: &batch)
        table.takeLanes(now: now, heardAfter: alive, into: &batch)
        writing.write(batch, of: table, now: now, ages)
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
            let isDone =
                call.kind == .lane
                ? settled.add(ofLanes: reply) : settled.add(reply, keys: call.range.count)
            if !isDone { table.putBack(call.kind, batch.places(call.kind)[call.range]) }
        }
        if carriesMarker, let last = replies.last {
            if case .null = last { settled.isFlushed = true }
            settled.refusal = settled.refusal ?? last.errorMessage
        }
        if settled.refusal == nil, !settled.isFlushed {
            table.releaseLanes()
        } else {
            table.lanes.repeatAll()
        }
        return settled
    }

    /// The earliest times of the values of the last round trip.
    var oldest: HotBatch.Times { batch.oldest }

    /// Makes all values of a round trip pending again, because the connection failed and the
    /// outcome is unknown.
    func giveUp(_ table: inout HotTable) {
        table.lanes.repeatAll()
        guard !writing.calls.isEmpty else { return }
        for kind in HotKind.allCases { table.putBack(kind, batch.places(kind)[...]) }
    }
}
