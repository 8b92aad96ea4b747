import MarketModel
import Membership
import MembershipTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeTransport

// Which partitions this process owns, and from where they are read.
extension Intake {
    /// How often the positions of stopped readers are checked: a person may have accepted a new
    /// position.
    private static let checkNanoseconds: Int64 = 1_000_000_000
    /// How long the loop runs without long waits after an order, to receive the answer soon.
    private static let busyNanoseconds: Int64 = 1_000_000_000

    // MARK: orders

    /// Takes the membership's orders. Stops reading and writing while other members may have taken
    /// the partitions.
    func followOrders() {
        // This is read before the orders are taken. So a process that is steady again has already
        // received the orders about partitions that it lost.
        let until = port.steadyUntilNow
        let now = clock.monotonic()
        let isSteady = now < until
        // Orders without room wait at the port, which is bounded, too.
        if queues.all.allSatisfy(\.hasRoomForOrders) { port.take(into: &orders) }
        if !orders.isEmpty { busyUntil = now + Self.busyNanoseconds }
        for order in orders { carryOut(order) }
        orders.removeAll(keepingCapacity: true)
        gate.open(until: isSteady ? until : .distantPast)
        setSteady(isSteady)
    }

    /// Notes an order, and passes it on to the partition's worker.
    private func carryOut(_ order: OwnershipOrder) {
        let number = order.partition.number
        guard slots.indices.contains(number) else { return }
        switch order {
        case .take(_, let claim):
            forget(number)
            slots[number].tenure = claim.tenure
        // Packets that were read already are left for the worker to write.
        case .release(_, let tenure) where slots[number].tenure == tenure: leave(number)
        case .drop(_, let tenure) where slots[number].tenure == tenure: forget(number)
        // The order is of an earlier tenure. The worker answers it.
        case .release, .drop: break
        }
        queues.all[slots[number].worker].send(order)
    }

    /// Stops reading a partition.
    private func leave(_ number: Int) {
        for input in InputNumber.both(of: slots[number].partition) {
            close(input)
            inputs[input].stored = nil
            context.readiness.set(InputNumber.name(input), nil)
        }
        slots[number].tenure = nil
        slots[number].reading = nil
    }

    /// Stops reading a partition, and removes its packets from the queue, because they are another
    /// owner's now.
    private func forget(_ number: Int) {
        guard slots[number].tenure != nil else { return }
        leave(number)
        purge(number)
    }

    /// Removes the partition's packets of other readings from its queue.
    private func purge(_ number: Int) {
        queues.all[slots[number].worker].remove(
            inputs: InputNumber.both(of: slots[number].partition), otherThan: slots[number].reading)
    }

    /// Closes an input's reader.
    private func close(_ input: Int) {
        inputs[input].isOpen = false
        readers.close(input)
    }

    // MARK: steadiness

    /// Holds or releases all readers. A process that is not steady neither reads nor writes, but
    /// forgets nothing.
    private func setSteady(_ steady: Bool) {
        guard steady != isSteady else { return }
        isSteady = steady
        for index in workers.indices {
            if !steady {
                for input in workers[index].inputs { readers.hold(input) }
            } else if !workers[index].isHeld {
                release(index)
            }
            queues.all[index].wake()
        }
        if !steady, slots.contains(where: { $0.tenure != nil }) {
            context.telemetry.emit(WriterPaused())
        }
    }

    // MARK: reports of workers

    /// Takes the views that workers have reported.
    func takeViews() {
        for queue in queues.all { queue.takeViews(into: &views) }
        for view in views { take(view) }
        views.removeAll(keepingCapacity: true)
    }

    /// Begins or ends to read a partition, as its worker's claim says.
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

    /// Opens an input's reader at the position in the database.
    private func open(_ input: Int) {
        guard let stored = inputs[input].stored else { return }
        inputs[input].isOpen = true
        readers.open(input, at: stored.position)
        if !isSteady || workers[slots[input / 2].worker].isHeld { readers.hold(input) }
    }

    /// Lets workers check the database's positions of stopped readers, once a second.
    func checkStoppedReaders() {
        let now = clock.monotonic()
        guard isSteady, now >= checkedAt + Self.checkNanoseconds else {
            return
        }
        checkedAt = now
        for index in workers.indices {
            let stopped = workers[index].inputs.filter {
                inputs[$0].isOpen && readers.problem($0) != nil
            }
            if !stopped.isEmpty { queues.all[index].checkPositions(of: stopped) }
        }
    }
}
