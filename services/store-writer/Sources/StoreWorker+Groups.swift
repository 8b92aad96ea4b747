import Primitives
import ServiceRuntime
import StoreSinks

// How a group of tables that is blocked is left behind, so that no other table waits for it, and
// how it is taken back.
extension StoreWorker {
    /// Whether groups of tables may wait apart.
    private var mayLeave: Bool {
        parts.store.keepsGroups && parts.settings.mayLeaveGroups
    }

    /// Whether a group has caught up, and can be taken back.
    var hasJoins: Bool { !joining([:]).isEmpty }

    /// Notes how far groups have come that wait apart, and shows it to the intake.
    func takeProgress() {
        for index in assignment.slots.indices
        where assignment.slots[index].hasApart && assignment.slots[index].stage == .held {
            var hasMoved = false
            for input in assignment.slots[index].inputs {
                for group in assignment.slots[index].stored(input)?.apart.groups ?? [] {
                    guard let position = parts.groups.reached(group, input) else { continue }
                    if assignment.slots[index].note(position, of: group, input) { hasMoved = true }
                }
            }
            if hasMoved { show(index) }
        }
        hold()
    }

    /// Notes the inputs whose packets wait a moment for a group that is nearly there.
    private func hold() {
        let now = clock.monotonic()
        assignment.meetings.held = []
        for slot in assignment.slots where slot.hasApart || !assignment.meetings.isEmpty {
            for input in slot.inputs {
                guard slot.stage == .held, let position = slot.stored(input),
                    !position.apart.isEmpty
                else {
                    assignment.meetings.end(input)
                    continue
                }
                let isNear = position.apart.groups.contains { group in
                    !position.isMet(by: group) && parts.groups.isReading(group, input)
                        && position.records(ahead: group).map {
                            $0 <= GroupMeetings.recordsMax
                        } ?? false
                }
                assignment.meetings.follow(input, isNear: isNear, now: now)
            }
        }
    }

    /// Tells the groups' writers where the common positions of a partition are.
    func post(_ index: Int) {
        guard assignment.slots[index].hasApart || assignment.slots[index].isPosted else { return }
        let slot = assignment.slots[index]
        for input in slot.inputs {
            parts.groups.post(input, slot.stage == .held ? slot.stored(input) : nil)
        }
        assignment.slots[index].isPosted = slot.stage == .held && slot.hasApart
    }

    /// Makes some days, and writes the batch. When a table refuses its rows, its group is left
    /// where it is, and the rest is written immediately, in one transaction with the group's
    /// position. The loop ends: a group is left once.
    func writeWithoutBlocked() throws(StoreError) {
        var leaving: [TableGroup: ApartGroup.Reason] = [:]
        var last: StoreError.Failure?
        var hasWaited = false
        var returning: Set<TableGroup> = []
        while true {
            let moves = GroupMoves(leaving: leaving, joining: joining(leaving))
            returning.formUnion(moves.joining.values.joined())
            batch.apart = apart(moves)
            batch.leavable = leavable(leaving)
            do throws(StoreError) {
                try makeSomeDays()
                try prepareDays()
                guard !batch.isEmpty || !moves.isEmpty else { return }
                let others = try writeBatch(moves)
                if hasWaited { metrics.waited(others) }
                for (group, reason) in leaving {
                    context.telemetry.emit(.groupLeft(thread: number, group: group, reason))
                    // Else it would be taken back with each batch, where its writer has no rows.
                    if returning.contains(group) { parts.groups.rejected(group, reason) }
                }
                return
            } catch {
                guard let table = error.blockedTable,
                    canLeave(TableGroup(of: table), error, after: last, leaving)
                else {
                    reject(returning, error)
                    throw error
                }
                last = error.failure
                if error.failure?.hasWaited == true { hasWaited = true }
                leaving[TableGroup(of: table)] = ApartGroup.Reason(
                    table: table, text: "\(error)", since: clock.now())
                let sinks = parts.settings.sinks
                daysToMake.removeAll {
                    leaving[TableGroup(of: sinks.name(ofTable: $0.table))] != nil
                }
            }
        }
    }

    /// Lets groups that may be why a try failed wait on: else each session would end with them.
    /// They come back later, each time later.
    private func reject(_ groups: Set<TableGroup>, _ error: StoreError) {
        guard error.category != .fenced else { return }
        for group in groups { parts.groups.rejected(group, "\(error)", at: clock.now()) }
    }

    /// Whether a group may be left after this error of its table. `last` is the error for which
    /// another group was left just before.
    private func canLeave(
        _ group: TableGroup, _ error: StoreError, after last: StoreError.Failure?,
        _ leaving: [TableGroup: ApartGroup.Reason]
    ) -> Bool {
        guard session.isOpen, leavable(leaving).contains(group) else { return false }
        // Fewer rows may not take too long.
        if error.failure?.isSlow == true, batch.rows > ApartWriter.batchRowsMax {
            assignment.batchRowsMax = ApartWriter.batchRowsMax
            return false
        }
        // What two groups refuse in the same way is no fault of their tables.
        if let code = error.failure?.code, last?.code == code { return last?.hasWaited == true }
        return true
    }

    /// Returns the groups that may be left beside `leaving`: not the last one, for without any
    /// group the common position would go forward, and nothing be stored with it.
    private func leavable(_ leaving: [TableGroup: ApartGroup.Reason]) -> Set<TableGroup> {
        guard mayLeave else { return [] }
        var gone = Set(leaving.keys)
        for slot in assignment.slots where slot.hasApart {
            for position in slot.stored { gone.formUnion(position?.apart.groups ?? []) }
        }
        let all = Set(parts.settings.sinks.sinks.map { TableGroup(of: $0.name) })
        return all.filter { leaving[$0] == nil && !all.isSubset(of: gone.union([$0])) }
    }

    /// Returns by input the groups that get nothing of the next batch.
    private func apart(_ moves: GroupMoves) -> [Int: Set<TableGroup>] {
        var apart: [Int: Set<TableGroup>] = [:]
        for slot in assignment.slots where slot.hasApart || !moves.leaving.isEmpty {
            for input in slot.inputs where slot.stage == .held {
                guard let position = slot.stored(input) else { continue }
                let groups = moves.apart(input, position)
                if !groups.isEmpty { apart[input] = groups }
            }
        }
        return apart
    }

    /// Returns a position as it is before the next batch.
    func moved(_ input: Int, _ position: SinkPosition, _ moves: GroupMoves) -> SinkPosition {
        moves.moved(
            input, position,
            isWhole: parts.settings.sinks.sinks.count == SinkName.allCases.count)
    }

    /// Returns the positions of held inputs without packets in the batch that are moved, too.
    func movedBeside(_ inputs: Set<Int>, _ moves: GroupMoves) -> [Int: SinkPosition] {
        var found: [Int: SinkPosition] = [:]
        for slot in assignment.slots where slot.hasApart || !moves.leaving.isEmpty {
            for input in slot.inputs where slot.stage == .held && !inputs.contains(input) {
                // Where nothing was stored yet, there is no position to leave.
                guard let stored = slot.stored(input), stored.position != nil else { continue }
                let position = moved(input, stored, moves)
                if position.apart.hasMoved { found[input] = position }
            }
        }
        return found
    }

    /// Returns by input the groups that can be taken back now.
    private func joining(_ leaving: [TableGroup: ApartGroup.Reason]) -> [Int: Set<TableGroup>] {
        var found: [Int: Set<TableGroup>] = [:]
        for slot in assignment.slots where slot.hasApart && slot.stage == .held {
            for input in slot.inputs {
                guard let position = slot.stored(input) else { continue }
                let groups = position.apart.groups.filter {
                    leaving[$0] == nil && position.isMet(by: $0) && !parts.groups.isBlocked($0)
                }
                if !groups.isEmpty { found[input] = Set(groups) }
            }
        }
        return found
    }
}
