import MarketModel
import Membership
import Primitives

// NATS: links, heartbeats, and the bucket.
extension MembershipWorld {
    private var isSelective: Bool { weather.kind == .selective && isStorming }

    private mutating func latency() -> Int64 {
        Int64.random(in: 100_000...weather.latencyMax, using: &random)
    }

    // MARK: links

    mutating func connect(_ index: Int) {
        guard members[index].isAlive, members[index].link == 0 else { return }
        guard isServerUp else {
            let wait = Int64.random(in: 50...250, using: &random) * millisecond
            queue.add(.connects(index), at: now + wait)
            return
        }
        members[index].links += 1
        members[index].link = members[index].links
        members[index].stalledUntil = Int64.min
        members[index].stalled = []
        handle(index, .connected)
        startCalls(index)
    }

    mutating func cut(_ index: Int, for time: Int64) {
        guard members[index].link != 0 else { return }
        members[index].link = 0
        if members[index].isCalling, Bool.random(using: &random) {
            // The library immediately fails calls that wait for an answer.
            members[index].isCalling = false
            failCalls(index, members[index].batch, members[index].under, force: true)
        }
        queue.add(
            .connects(index),
            at: now + time + Int64.random(in: 50...250, using: &random) * millisecond)
    }

    mutating func serverGoesDown(for time: Int64) {
        isServerUp = false
        for index in members.indices where members[index].isAlive { cut(index, for: time) }
        queue.add(.serverComesUp, at: now + time)
    }

    mutating func serverComesUp() { isServerUp = true }

    // MARK: heartbeats

    mutating func publish(_ wire: Wire, _ index: Int) {
        guard members[index].link != 0, isServerUp else { return }
        var time = now + latency()
        if weather.isFair {
            time = max(time, members[index].lastDeparture + 1)
            members[index].lastDeparture = time
        }
        queue.add(.atServer(from: index, link: members[index].link, wire), at: time)
    }

    mutating func spread(_ wire: Wire, from: Int) {
        guard isServerUp else { return }
        for index in members.indices where members[index].isAlive && members[index].link != 0 {
            var time = now + latency()
            if isSelective {
                if Int.random(in: 0..<100, using: &random) < 8 { continue }
                if Int.random(in: 0..<100, using: &random) < 5 {
                    time += Int64.random(in: 0...900, using: &random) * millisecond
                }
            }
            if weather.isFair {
                time = max(time, members[index].lastArrival + 1)
                members[index].lastArrival = time
            }
            queue.add(.arrive(to: index, link: members[index].link, wire), at: time)
        }
    }

    mutating func arrive(_ index: Int, _ link: Int, _ wire: Wire) {
        guard members[index].isAlive, members[index].link == link else { return }
        guard now >= members[index].stalledUntil, members[index].stalled.isEmpty else {
            members[index].stalled.append(wire)
            return
        }
        deliver(wire, index)
    }

    /// Delivers the messages on the link, in their order.
    mutating func flow(_ index: Int, _ link: Int) {
        guard members[index].isAlive, members[index].link == link,
            now >= members[index].stalledUntil
        else { return }
        let wires = members[index].stalled
        members[index].stalled = []
        for wire in wires { deliver(wire, index) }
    }

    private mutating func deliver(_ wire: Wire, _ index: Int) {
        switch wire {
        case .heartbeat(let heartbeat): handle(index, .heartbeat(heartbeat))
        case .ask: handle(index, .asked)
        }
    }

    // MARK: records

    mutating func startCalls(_ index: Int) {
        let member = members[index]
        guard member.isAlive, !member.isCalling, !member.calls.isEmpty, !member.isStopped(now)
        else { return }
        let batch = member.calls.takeBatch()
        members[index].batch += 1
        members[index].isCalling = true
        members[index].under = batch
        let number = members[index].batch
        guard member.link != 0 else {
            queue.add(.callTimesOut(index, batch: number, batch), at: now + 50 * millisecond)
            return
        }
        queue.add(.callTimesOut(index, batch: number, batch), at: now + second)
        let time = now + latency()
        for (place, call) in batch.enumerated() {
            var arrival = time + Int64.random(in: 0...weather.recordMax, using: &random)
            if isRough, Int.random(in: 0..<20, using: &random) == 0 {
                arrival += Int64.random(in: 800...3_000, using: &random) * millisecond
                lateUntil = max(lateUntil, arrival)
            }
            queue.add(
                .callArrives(
                    index, batch: number, call, known: place == batch.count - 1 ? 1 : 0),
                at: arrival)
        }
    }

    private var isRough: Bool {
        isStorming && (weather.kind == .slowRecords || weather.kind == .everything)
    }

    mutating func callArrives(
        _ index: Int, _ batch: Int, _ call: RecordCall, _ known: Int
    ) {
        guard isServerUp else { return }
        let answer: MembershipMachine.Event
        switch call {
        case .read(let number, let after):
            answer = .records(
                bucket.read(
                    number: number, after: after, known: &members[index].knownBucket,
                    by: members[index].name))
        case .write(let write):
            let before = bucket.entries[write.partition.number]?.record
            let revision = bucket.write(write)
            if revision != nil { checkWrite(write, before) }
            answer = .written(
                write.partition, id: write.id,
                revision.map { .stored(revision: $0) } ?? .conflict)
        }
        if isRough, Int.random(in: 0..<10, using: &random) == 0 { return }
        queue.add(
            .callAnswered(index, batch: batch, answer, isLast: known == 1), at: now + latency())
    }

    mutating func callAnswered(
        _ index: Int, _ batch: Int, _ event: MembershipMachine.Event, _ isLast: Bool
    ) {
        guard members[index].isAlive, members[index].isCalling, members[index].batch == batch
        else { return }
        guard !members[index].isStopped(now) else {
            queue.add(
                .callAnswered(index, batch: batch, event, isLast: isLast),
                at: members[index].stoppedUntil + 1)
            return
        }
        members[index].under.removeAll { $0.isAnswered(by: event) }
        if members[index].under.isEmpty { members[index].isCalling = false }
        handle(index, event)
        startCalls(index)
    }

    mutating func failCalls(
        _ index: Int, _ batch: Int, _ calls: [RecordCall], force: Bool = false
    ) {
        guard members[index].isAlive, members[index].batch == batch,
            force || members[index].isCalling
        else { return }
        guard !members[index].isStopped(now) || force else {
            queue.add(
                .callTimesOut(index, batch: batch, calls), at: members[index].stoppedUntil + 1)
            return
        }
        let under = members[index].under
        members[index].under = []
        members[index].isCalling = false
        for call in under {
            switch call {
            case .read(let number, _): handle(index, .readFailed(number: number, reason: "lost"))
            case .write(let write):
                handle(index, .written(write.partition, id: write.id, .unsettled("lost")))
            }
        }
        startCalls(index)
    }

    private mutating func checkWrite(_ write: RecordWrite, _ before: OwnershipRecord?) {
        let record = write.record
        // A new bucket counts revisions from the beginning, so one may equal a revision of the old
        // bucket.
        guard let before, weather.kind != .destroyed else { return }
        if record.epoch < before.epoch { fail("epoch \(before.epoch) became \(record.epoch)") }
        let isClaim =
            record.state == .held
            && (before.state == .free || before.instance != record.instance)
        guard isClaim else { return }
        if record.epoch == before.epoch { fail("a claim kept epoch \(record.epoch)") }
        if weather.isHarmless, before.state == .held,
            members.contains(where: { $0.isAlive && $0.instance == before.instance })
        {
            fail("\(record.owner) claimed \(write.partition) from \(before.owner), who is well")
        }
    }
}

extension RecordCall {
    func isAnswered(by event: MembershipMachine.Event) -> Bool {
        switch (self, event) {
        case (.read(let number, _), .records(let read)): number == read.number
        case (.write(let write), .written(_, let id, _)): write.id == id
        default: false
        }
    }
}
