import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime

/// How far the writer has stored the tape of one partition.
final class StoredPositions {
    /// What has to be stored: the sequences of the last packets.
    struct Goal: Equatable, Sendable {
        var ticks: UInt64
        var bars: UInt64

        /// Returns whether rows of inputs and sequences reach it.
        func isReached(by rows: [[String?]]) -> Bool {
            func reached(_ input: String) -> UInt64 {
                rows.first { $0.first == input }?.last?.flatMap { UInt64($0) } ?? 0
            }
            return reached("ticks") >= ticks && reached("bars") >= bars
        }
    }

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
                SELECT input, sequence FROM "\(session.namespace)".sink_positions
                WHERE sink = $1 AND partition = $2
                """,
                [.text(WriterPositions.sink), .integer(Int64(partition.number))])
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
