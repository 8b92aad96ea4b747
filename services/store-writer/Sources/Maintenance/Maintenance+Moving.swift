import PostgresClient
import Primitives
import ServiceRuntime

// How bars of before their source was part of the key are moved to the tables of today.
extension Maintenance {
    /// The time after which moving pauses for the other work of this thread.
    private static let moveFor = Duration.seconds(300)

    struct Moving {
        /// Whether nothing is left to move. It stays false until the database is migrated.
        var isOver = false
        /// The partition in which this process paused.
        var work: BarMover.Work?
        /// Whether this process has to continue immediately.
        var hasMore = false
        /// Why the last try failed; `nil` when it did not.
        var problem: String?
    }

    /// Moves partitions, the newest first. After each portion it pauses for as long as the portion
    /// took, so that the writers keep half of the database's time at least.
    func moveBars(_ database: PostgresConnection, _ beat: ThreadBeat) throws(PostgresError) {
        guard !moving.isOver else { return }
        let mover = BarMover(database: database)
        moving.hasMore = false
        moving.problem = nil
        do throws(PostgresError) {
            guard try mover.hasTables() else { return }
            guard let parts = try mover.left() else { return endMoving() }
            report.barsToMove(parts.count)
            guard try mover.takeTurn() else { return }
            try move(parts, mover, beat)
        } catch {
            guard database.isUsable else { throw error }
            moving.problem = "\(error)"
            context.telemetry.emit(MaintenanceFailed(reason: "\(error)"))
        }
    }

    private func move(
        _ parts: [BarMover.Part], _ mover: BarMover, _ beat: ThreadBeat
    ) throws(PostgresError) {
        let until = context.clock.deadline(after: Self.moveFor)
        var began = context.clock.monotonic()
        for (index, part) in parts.enumerated() {
            var work = try begin(part, mover)
            let isDone = try mover.move(&work) {
                let spent = context.clock.monotonic().duration(since: began)
                beat.beat(before: spent)
                let isEnding = context.shutdown.wait(timeout: spent)
                began = context.clock.monotonic()
                return !isEnding && began < until
            }
            guard isDone else {
                moving.work = work
                moving.hasMore = true
                return
            }
            let left = parts.count - index - 1
            report.barsToMove(left)
            context.telemetry.emit(BarsMoved(part: part, rows: work.rows, left: left))
        }
        try mover.end()
        if try mover.left() == nil { endMoving() }
    }

    /// Continues where this process paused. What another process has moved meanwhile is moved again
    /// without effect: no row is left of it.
    private func begin(
        _ part: BarMover.Part, _ mover: BarMover
    ) throws(PostgresError) -> BarMover.Work {
        let kept = moving.work
        moving.work = nil
        if let kept, kept.part == part { return kept }
        return try mover.begin(part)
    }

    private func endMoving() {
        moving.isOver = true
        report.barsToMove(0)
    }
}
