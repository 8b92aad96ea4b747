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
    var hasJoins: Bool {
        assignment.slots.indices.contains { index in
            guard assignment.slots[index].hasApart, assignment.slots[index].stage == .held else {
                return false
            }
            return assignment.slots[index].stored.contains { position in
                position.map { !joins(of: $0, [:]).isEmpty } ?? false
            }
        }
    }

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
        var hasWaited = false
        while true {
            batch.apart = apart(leaving)
            do throws(StoreError) {
                try makeSomeDays()
                try prepareDays()
                guard !batch.isEmpty || !leaving.isEmpty || hasJoins else { return }
                let others = try writeBatch(leaving)
                if hasWaited { metrics.waited(others) }
                for (group, reason) in leaving {
                    context.telemetry.emit(.groupLeft(thread: number, group: group, reason))
                }
                return
            } catch {
                guard mayLeave, session.isOpen, let table = error.blockedTable,
                    leaving[TableGroup(of: table)] == nil
                else { throw error }
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

    /// Returns by input the groups that get nothing of the next batch.
    private func apart(_ leaving: [TableGroup: ApartGroup.Reason]) -> [Int: Set<TableGroup>] {
        var apart: [Int: Set<TableGroup>] = [:]
        for index in assignment.slots.indices
        where assignment.slots[index].hasApart || !leaving.isEmpty {
            let slot = assignment.slots[index]
            for input in slot.inputs where slot.stage == .held {
                guard let position = slot.stored(input) else { continue }
                let groups = Set(position.apart.groups).union(leaving.keys)
                    .subtracting(joins(of: position, leaving))
                if !groups.isEmpty { apart[input] = groups }
            }
        }
        return apart
    }

    /// Returns a position as it is before the next batch: with the groups that are left there, and
    /// without those that are taken back.
    func moved(
        _ position: SinkPosition, _ leaving: [TableGroup: ApartGroup.Reason]
    ) -> SinkPosition {
        var position = position
        for group in joins(of: position, leaving) {
            let isWhole = group.tables.isSubset(of: parts.settings.sinks.sinks.map(\.name))
            position.join(group, isWhole: isWhole)
        }
        for (group, reason) in leaving { position.leave(group, reason) }
        return position
    }

    /// Returns the positions of held inputs without packets in the batch that are moved, too.
    func movedBeside(
        _ inputs: Set<Int>, _ leaving: [TableGroup: ApartGroup.Reason]
    ) -> [Int: SinkPosition] {
        var found: [Int: SinkPosition] = [:]
        for index in assignment.slots.indices
        where assignment.slots[index].hasApart || !leaving.isEmpty {
            let slot = assignment.slots[index]
            for input in slot.inputs where slot.stage == .held && !inputs.contains(input) {
                // Where nothing was stored yet, there is no position to leave.
                guard let stored = slot.stored(input), stored.position != nil else { continue }
                let position = moved(stored, leaving)
                if position.apart.hasMoved { found[input] = position }
            }
        }
        return found
    }

    private func joins(
        of position: SinkPosition, _ leaving: [TableGroup: ApartGroup.Reason]
    ) -> [TableGroup] {
        if position.apart.isEmpty { return [] }
        return position.apart.groups.filter {
            leaving[$0] == nil && position.isMet(by: $0) && !parts.groups.isBlocked($0)
        }
    }
}
