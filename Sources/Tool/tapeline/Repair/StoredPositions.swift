import Membership
import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime

/// How far the writer has stored the tape of one partition.
final class StoredPositions {
    /// What has to be stored: the last packets. A stream that was made again counts from 1 again,
    /// so a sequence alone says nothing.
    struct Goal: Equatable, Sendable {
        /// A packet of the stream that was made at this time.
        struct Packet: Equatable, Sendable {
            let streamCreated: Timestamp
            let sequence: UInt64
        }

        /// `nil` for what the store does not read.
        var ticks: Packet?
        var bars: Packet?

        /// Returns whether rows of inputs, streams and sequences reach it.
        func isReached(by rows: [[String?]]) -> Bool {
            func isReached(_ input: String, _ packet: Packet?) -> Bool {
                guard let packet else { return true }
                return rows.contains {
                    $0[0] == input && $0[1] == String(packet.streamCreated.nanoseconds)
                        && $0[2].flatMap { UInt64($0) } ?? 0 >= packet.sequence
                }
            }
            return isReached("ticks", ticks) && isReached("bars", bars)
        }
    }

    var store: GroupName { session.store }

    private let session: MarketSession
    private let partition: Partition

    init(_ deployment: Deployment, _ partition: Partition) throws(ToolError) {
        session = try MarketSession(deployment)
        self.partition = partition
    }

    /// Returns false if the goal is not reached by the deadline.
    func wait(
        for goal: Goal, until deadline: MonotonicTime, turn: Duration, _ shutdown: ShutdownSignal
    ) throws(ToolError) -> Bool {
        let clock = SystemClock()
        while true {
            let rows = try session.rows(
                """
                SELECT input, stream_created_ns, sequence
                FROM "\(session.namespace)".reached_positions
                WHERE sink = $1 AND partition = $2
                """,
                [.text(session.store.text), .integer(Int64(partition.number))])
            if goal.isReached(by: rows) { return true }
            guard clock.remaining(until: deadline) > .zero else { return false }
            if shutdown.wait(timeout: turn) {
                throw .refused("interrupted; the request stays")
            }
        }
    }
}

extension Deployment {
    /// Returns how far the writer is in a partition; `nil`: no database is named.
    func storedPositions(_ partition: Partition) throws(ToolError) -> StoredPositions? {
        guard postgres != nil else { return nil }
        return try StoredPositions(self, partition)
    }
}
