import MarketModel
import Membership
import MembershipTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeTransport

// Which partitions this process owns, and from where they are read.
extension Intake {
    /// The interval of `checkWaiting`: a person may have accepted another position, or given up
    /// what was left to groups of tables (`tapeline position accept`).
    private static let checkNanoseconds: Int64 = 1_000_000_000
    /// How long the waits of the loop are short: after an order, so that the worker's view is taken
    /// soon, and at the beginning, so that the first order is.
    static let busyNanoseconds: Int64 = 1_000_000_000

    // MARK: orders

    /// Takes the membership's orders, and passes them on to the workers. Stops reading and writing
    /// while the process is not steady, because other members may have taken its partitions.
    func followOrders() {
        // The end of the steady time is read before the orders are taken. So a process that is
        // steady again has received the orders about partitions that it lost, before it writes.
        let until = port.steadyUntilNow
        let now = clock.monotonic()
        let isSteady = now < until
        // If a worker has no room for orders, all orders wait in the port, which is bounded, too.
        if queues.all.allSatisfy(\.hasRoomForOrders) { port.take(into: &orders) }
        if !orders.isEmpty { busyUntil = now + Self.busyNanoseconds }
        for order in orders { carryOut(order) }
        orders.removeAll(keepingCapacity: true)
        gate.open(until: isSteady ? until : .distantPast)
        setSteady(isSteady)
    }

    /// Carries out an order for the readers, and passes it on to the partition's worker.
    private func carryOut(_ order: OwnershipOrder) {
        let number = order.partition.number
        guard slots.indices.contains(number) else { return }
        switch order {
        // An earlier tenure may still be known here: its packets must not be written in this one.
        case .take(_, let claim):
            forget(number)
            slots[number].tenure = claim.tenure
        // The worker still writes the packets in its queue before it answers.
        case .release(_, let tenure) where slots[number].tenure == tenure: leave(number)
        case .drop(_, let tenure) where slots[number].tenure == tenure: forget(number)
        // The order is of an earlier tenure, so it changes nothing here. The worker answers it.
        case .release, .drop: break
        }
        queues.all[slots[number].worker].send(order)
    }

    /// Stops reading a partition. Its packets stay in the queue.
    private func leave(_ number: Int) {
        for input in InputNumber.both(of: slots[number].partition) {
            close(input)
            unfeed(input)
            inputs[input].stored = nil
            context.readiness.set(InputNumber.name(input), nil)
        }
        slots[number].tenure = nil
        slots[number].reading = nil
        unfill(number)
    }

    /// Stops reading a partition, and removes its packets from the queue, because they are another
    /// owner's now.
    private func forget(_ number: Int) {
        guard slots[number].tenure != nil else { return }
        leave(number)
        purge(number)
    }

    /// Removes the partition's packets from its queue, except those of the present reading.
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

    /// Holds all readers when the process is not steady any more, and releases them when it is
    /// again. Packets in the queues stay, because the process may still own its partitions.
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
            context.telemetry.emit(.writerPaused())
        }
    }

    // MARK: reports of workers

    /// Takes the views that workers have reported.
    func takeViews() {
        for queue in queues.all { queue.takeViews(into: &views) }
        let begun = views.flatMap { take($0) }
        views.removeAll(keepingCapacity: true)
        open(begun)
    }

    /// Notes the positions in a view. Returns the partition's inputs when the view has a new
    /// reading, which begins when they are opened. Ends the reading when the view has none. A view
    /// of an earlier tenure is ignored.
    private func take(_ view: PartitionView) -> [Int] {
        let number = view.partition.number
        guard slots[number].tenure == view.tenure else { return [] }
        guard view.isOwn else {
            forget(number)
            return []
        }
        let both = InputNumber.both(of: view.partition)
        for (input, stored) in zip(both, view.stored) { inputs[input].stored = stored }
        guard view.reading != slots[number].reading else { return [] }
        slots[number].reading = view.reading
        purge(number)
        for input in both {
            // What counted as durable may be of another server, which had more.
            inputs[input].durable = DurableMark(queues.durability)
            close(input)
        }
        return view.reading == nil ? [] : both
    }

    /// Opens the readers of inputs at their positions in the database. Closing them has ended their
    /// hold, so they are held again where that is necessary.
    private func open(_ begun: [Int]) {
        guard !begun.isEmpty else { return }
        var places: [(reader: Int, position: TapePosition?)] = []
        for input in begun {
            guard reads.contains(InputNumber.place(input).input), let stored = inputs[input].stored
            else { continue }
            inputs[input].open(at: stored.tapeTime)
            inputs[input].feed = inputs[input].feed.reopened(clock.monotonic())
            places.append((reader: input, position: stored.position))
        }
        readers.open(places)
        for (input, _) in places where !isSteady || workers[slots[input / 2].worker].isHeld {
            readers.hold(input)
        }
    }

    /// Lets workers check in the database, once a second, the positions that a person may have to
    /// change: those of stopped readers, which wait where the tape does not match the position, and
    /// those where groups of tables wait apart.
    func checkWaiting() {
        let now = clock.monotonic()
        guard isSteady, now >= checkedAt + Self.checkNanoseconds else {
            return
        }
        checkedAt = now
        for index in workers.indices {
            let waiting = workers[index].inputs.filter { input in
                inputs[input].isOpen && readers.problem(input) != nil
                    || inputs[input].stored?.apart.isEmpty == false
            }
            if !waiting.isEmpty { queues.all[index].checkPositions(of: waiting) }
        }
    }
}
