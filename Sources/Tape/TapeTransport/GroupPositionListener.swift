package import Primitives
internal import ServiceRuntime
internal import TapeProtocol

/// Listens to the positions that all groups report. Any thread may call it.
package final class GroupPositionListener: Sendable {
    /// The most messages that wait while one is being read: all parts of many large groups.
    private static let messagesMax = 1_024

    private let reports: ReportListener<PositionStore>

    /// `clock` is the monotonic one and is called for each message.
    package init(
        _ client: TapeClient, clock: @escaping @Sendable () -> MonotonicTime
    ) throws(TapeError) {
        reports = try ReportListener(
            client, subject: client.names.positions, queue: "positions",
            messagesMax: Self.messagesMax, PositionStore()
        ) { store, payload throws(VersionedJSON.Refusal) in
            guard store.receive(try PositionMessage(json: payload), now: clock()) else {
                throw .damaged("there are too many groups")
            }
        } unreadable: { telemetry, bytes, refusal in
            telemetry.emit(.positionsNotUnderstood(bytes: bytes, refusal: refusal))
        }
    }

    package convenience init(_ client: TapeClient) throws(TapeError) {
        let clock = SystemClock()
        try self.init(client) { clock.monotonic() }
    }

    /// Everything received so far.
    package var store: PositionStore { reports.store }
}
