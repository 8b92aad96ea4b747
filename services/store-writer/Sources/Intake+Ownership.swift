import MarketModel
import Membership
import MembershipTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeTransport

// Which partitions are this process's own, and from where they are read.
extension Intake {
    /// How often the row of a reader that stopped is looked at: a person may have accepted.
    private static let lookNanoseconds: Int64 = 1_000_000_000
    /// How long an answer to an order is waited for without pauses.
    private static let busyNanoseconds: Int64 = 1_000_000_000

    // MARK: orders

    /// Takes the membership's orders, and stands still while others may have taken over.
    func attend() {
        // Asked before the orders are taken: a process that is steady again has then heard what it
        // lost meanwhile.
        let until = port.steadyUntilNow
        let now = clock.monotonic().nanoseconds
        let isSteady = now < until
        // What finds no room waits at the port, which is bounded, too.
        if queue.lanes.allSatisfy(\.hasRoomForOrders) { port.take(into: &orders) }
        if !orders.isEmpty { busyUntil = now + Self.busyNanoseconds }
        for order in orders { carryOut(order) }
        orders.removeAll(keepingCapacity: true)
        gate.open(until: isSteady ? until : .min)
        stand(isSteady)
    }

    private func carryOut(_ order: OwnershipOrder) {
        let number = order.partition.number
        guard slots.indices.contains(number) else { return }
        switch order {
        case .take(_, let claim):
            forget(number)
            slots[number].tenure = claim.tenure
        // What was read of it is the worker's to write.
        case .release(_, let tenure) where slots[number].tenure == tenure: leave(number)
        case .drop(_, let tenure) where slots[number].tenure == tenure: forget(number)
        // Of an earlier tenure: the worker answers.
        case .release, .drop: break
        }
        queue.lanes[slots[number].lane].send(order)
    }

    /// Reads no more of it.
    private func leave(_ number: Int) {
        for input in InputNumber.both(of: slots[number].partition) {
            close(input)
            inputs[input].stored = nil
            context.readiness.set(InputNumber.name(input), nil)
        }
        slots[number].tenure = nil
        slots[number].reading = nil
    }

    /// What was read of it is somebody else's, too.
    private func forget(_ number: Int) {
        guard slots[number].tenure != nil else { return }
        leave(number)
        purge(number)
    }

    private func purge(_ number: Int) {
        queue.lanes[slots[number].lane].remove(
            inputs: InputNumber.both(of: slots[number].partition), otherThan: slots[number].reading)
    }

    private func close(_ input: Int) {
        inputs[input].isOpen = false
        readers.close(input)
    }

    // MARK: steadiness

    /// Who is not steady neither reads nor writes; nothing is forgotten by it.
    private func stand(_ steady: Bool) {
        guard steady != isSteady else { return }
        isSteady = steady
        for index in lanes.indices {
            if !steady {
                for input in lanes[index].inputs { readers.hold(input) }
            } else if !lanes[index].isHeld {
                release(index)
            }
            queue.lanes[index].ring()
        }
        if !steady, slots.contains(where: { $0.tenure != nil }) {
            context.telemetry.emit(WriterPaused())
        }
    }

    // MARK: what workers say

    func hear() {
        for lane in queue.lanes { lane.takeViews(into: &views) }
        for view in views { take(view) }
        views.removeAll(keepingCapacity: true)
    }

    private func take(_ view: PartitionView) {
        let number = view.partition.number
        guard slots[number].tenure == view.tenure else { return }
        guard view.isOwn else {
            forget(number)
            return
        }
        let both = InputNumber.both(of: view.partition)
        for (input, stored) in zip(both, view.stored) { inputs[input].stored = stored }
        guard view.reading != slots[number].reading else { return }
        slots[number].reading = view.reading
        purge(number)
        for input in both { close(input) }
        guard view.reading != nil else { return }
        for input in both { open(input) }
    }

    private func open(_ input: Int) {
        guard let stored = inputs[input].stored else { return }
        inputs[input].isOpen = true
        readers.open(input, at: stored.position)
        if !isSteady || lanes[slots[input / 2].lane].isHeld { readers.hold(input) }
    }

    /// Has the rows of readers that have stopped looked at, once a second.
    func lookAtStopped() {
        let now = clock.monotonic().nanoseconds
        guard isSteady, lookedAt == Int64.min || now >= lookedAt + Self.lookNanoseconds else {
            return
        }
        lookedAt = now
        for index in lanes.indices {
            let stopped = lanes[index].inputs.filter {
                inputs[$0].isOpen && readers.problem($0) != nil
            }
            if !stopped.isEmpty { queue.lanes[index].look(at: stopped) }
        }
    }
}
