import MarketModel
import Membership
import Primitives

// NATS: heartbeats, and the bucket.
extension ScaleWorld {
    private mutating func latency() -> Int64 {
        Int64.random(in: 100_000...2_000_000, using: &random)
    }

    /// Returns when a message that is sent now reaches a place. None overtakes another one.
    private mutating func arrival(_ place: Int) -> Int64 {
        arrivals[place] = max(arrivals[place] + 1, now + latency())
        return arrivals[place]
    }

    mutating func publish(_ heartbeat: MemberHeartbeat) {
        counts.heartbeats += 1
        counts.heartbeatBytes += heartbeat.json.count
        for place in 0..<Self.places {
            queue.add(.arrive(place: place, heartbeat), at: arrival(place))
        }
    }

    mutating func ask() {
        counts.asks += 1
        for place in 0..<Self.places { queue.add(.asked(place: place), at: arrival(place)) }
    }

    mutating func deliver(_ event: MembershipMachine.Event, to place: Int) {
        for index in living where members[index].place == place {
            counts.deliveries += 1
            handle(index, event)
        }
    }

    // MARK: records

    mutating func startCalls(_ index: Int) {
        let member = members[index]
        let batch = member.calls.takeBatch()
        member.isCalling = batch.count
        let time = now + latency()
        for call in batch { queue.add(.callArrives(index, call), at: time) }
    }

    mutating func callArrives(_ index: Int, _ call: RecordCall) {
        let answer: MembershipMachine.Event
        switch call {
        case .read(let number, let after):
            let read = bucket.read(number: number, after: after)
            counts.reads += 1
            counts.wholeReads += read.isWhole ? 1 : 0
            counts.records += read.changes.count
            answer = .records(read)
        case .write(let write):
            counts.writes += 1
            let before = bucket.entries[write.partition.number]?.record
            let revision = bucket.write(write)
            counts.conflicts += revision == nil ? 1 : 0
            if revision != nil, let before { check(write, before) }
            answer = .written(
                write.partition, id: write.id,
                revision.map { .stored(revision: $0) } ?? .conflict)
        }
        queue.add(.callAnswered(index, answer), at: now + latency())
    }

    private mutating func check(_ write: RecordWrite, _ before: OwnershipRecord) {
        let record = write.record
        if record.epoch < before.epoch { fail("epoch \(before.epoch) became \(record.epoch)") }
        guard record.state == .held, record.instance != before.instance, before.state == .held
        else { return }
        let isAlive = living.contains {
            members[$0].instance == before.instance && !members[$0].isStopped(now)
        }
        if isAlive { counts.robberies += 1 }
    }
}
