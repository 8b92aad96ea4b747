package import Primitives
internal import ServiceRuntime
internal import TapeProtocol

/// Listens to what sources and operators report about the tape's heads. Any thread may call it.
package final class HeadListener: Sendable {
    /// The most messages that wait while one is being read: all parts of many large sources.
    private static let messagesMax = 1_024

    private let reports: ReportListener<HeadStore>

    /// `clock` is the monotonic one and is called for each message.
    package init(
        _ client: TapeClient, clock: @escaping @Sendable () -> MonotonicTime
    ) throws(TapeError) {
        reports = try ReportListener(
            client, subject: client.names.heads, queue: "heads", messagesMax: Self.messagesMax,
            HeadStore()
        ) { store, payload throws(VersionedJSON.Refusal) in
            guard store.receive(try HeadMessage(json: payload), now: clock()) else {
                throw .damaged("there are too many heads")
            }
        } unreadable: { telemetry, bytes, refusal in
            telemetry.emit(.headsNotUnderstood(bytes: bytes, refusal: refusal))
        }
    }

    package convenience init(_ client: TapeClient) throws(TapeError) {
        let clock = SystemClock()
        try self.init(client) { clock.monotonic() }
    }

    /// All heads received so far.
    package var store: HeadStore { reports.store }
}

extension ServiceEvent {
    static func headsNotUnderstood(bytes: Int, refusal: VersionedJSON.Refusal) -> Self {
        Self(
            .warning, "tape.heads.not_understood",
            "reported heads of the tape are ignored: \(refusal)",
            ("bytes", .integer(Int64(bytes)))
        ).counting(
            "mds_tape_heads_not_understood_total",
            "a message with the tape's heads that could not be decoded and was ignored",
            "the log says why: upgrade this process if the sender is of a newer release, else "
                + "find out which process sends to `<namespace>.head.*`")
    }
}
