internal import NatsTransport
package import Primitives
internal import ServiceRuntime
internal import TapeProtocol

/// Listens to what sources and operators report about the tape's heads. Any thread may call it.
package typealias HeadListener = ReportListener<HeadStore>

extension ReportListener<HeadStore> {
    /// `clock` is the monotonic one and is called for each message.
    package convenience init(
        _ client: TapeClient,
        clock: @escaping @Sendable () -> MonotonicTime = { SystemClock().monotonic() }
    ) throws(TapeError) {
        try self.init(client, subject: client.names.heads, queue: "heads", HeadStore()) {
            store, message throws(VersionedJSON.Refusal) in
            guard store.receive(try HeadMessage(json: message.payload), now: clock()) else {
                throw .damaged("there are too many heads")
            }
        } unreadable: { telemetry, bytes, refusal in
            telemetry.emit(.headsNotUnderstood(bytes: bytes, refusal: refusal))
        }
    }
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
