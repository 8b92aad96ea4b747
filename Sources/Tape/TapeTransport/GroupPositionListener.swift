internal import NatsTransport
package import Primitives
internal import ServiceRuntime
internal import TapeProtocol

/// Listens to the positions that all groups report. Any thread may call it.
package typealias GroupPositionListener = ReportListener<PositionStore>

extension ReportListener<PositionStore> {
    /// `clock` is the monotonic one and is called for each message.
    package convenience init(
        _ client: TapeClient,
        clock: @escaping @Sendable () -> MonotonicTime = { SystemClock().monotonic() }
    ) throws(TapeError) {
        try self.init(client, subject: client.names.positions, queue: "positions", PositionStore())
        {
            store, message throws(VersionedJSON.Refusal) in
            let said = try PositionMessage(json: message.payload, on: message.subject)
            guard store.receive(said, now: clock()) else {
                throw .damaged("there are too many groups")
            }
        } unreadable: { telemetry, bytes, refusal in
            telemetry.emit(.positionsNotUnderstood(bytes: bytes, refusal: refusal))
        }
    }
}
