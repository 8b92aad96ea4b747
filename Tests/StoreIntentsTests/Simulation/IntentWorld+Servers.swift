import Primitives
@testable import StoreIntents

/// Requests on their way, the servers that answer them, and the faults of both.
extension IntentWorld {
    mutating func send(_ work: Work, _ attempt: UInt64, _ shell: Int) {
        shells[shell].calls += 1
        let number = shells[shell].calls
        let process = processes[shells[shell].member]
        // A process that is paused right here sends when it wakes up.
        let leaves = max(now, process.pausedUntil)
        let delay = isStorming && chance(15) ? span(0...4_000) : span(1...30)
        let call = Call(shell: shell, number: number, attempt: attempt, work: work)
        let isLost = isStorming && chance(20)
        switch work {
        case .read, .write:
            if !isLost, process.recordsCutUntil <= leaves {
                queue.add(.arrives(call), at: leaves + delay)
            }
            queue.add(
                .answered(shell, attempt: attempt, .unsettled), at: leaves + Self.callTimeout)
        case .survey:
            if !isLost, process.storeCutUntil <= leaves {
                queue.add(.arrives(call), at: leaves + delay)
            }
            queue.add(
                .answered(shell, attempt: attempt, .unsettled), at: leaves + Self.callTimeout)
        case .look, .insert:
            shells[shell].insert?.call = number
            if !isLost, process.storeCutUntil <= leaves {
                queue.add(.arrives(call), at: leaves + delay)
            }
            queue.add(.partTimesOut(shell, call: number), at: leaves + Self.callTimeout)
        }
    }

    mutating func arrive(_ call: Call) {
        let place = shells[call.shell].place
        switch call.work {
        case .read: answer(call, records.read(place))
        case .survey: answer(call, .surveyed(store.lastOrdinals(place)))
        case .write(let record, let expected):
            let old = records.record(place)
            guard let revision = records.write(place, record, expected: expected) else {
                counts.conflicts += 1
                return answer(call, .conflict)
            }
            auditWrite(place, old, record)
            let isDeclared = record.intent != nil && record.intent != old?.intent
            if isDeclared, shells[call.shell].isAlive,
                strike(.afterIntent, shells[call.shell].member)
            {
                return
            }
            answer(call, .stored(revision: revision))
        case .look(let part):
            let looked = PartAnswer.looked(
                count: store.count(part), blocks: store.blocks[part.table])
            reply(.partAnswered(call.shell, call: call.number, looked))
        case .insert(let part, let batch, let blocks):
            guard store.rule == .byKey || store.blocks[part.table] - blocks < SimulatedStore.window
            else {
                counts.ended += 1
                return
            }
            auditInsert(call, part, batch, store.insert(part, token: part.token(batch)))
            if shells[call.shell].isAlive, strike(.afterInsert, shells[call.shell].member) {
                return
            }
            reply(.partAnswered(call.shell, call: call.number, .inserted))
        }
    }

    private mutating func answer(_ call: Call, _ answer: IntentMachine.Answer) {
        reply(.answered(call.shell, attempt: call.attempt, answer))
    }

    /// Sends an answer, which may be lost, late, or come twice.
    private mutating func reply(_ event: Event) {
        if isStorming, chance(15) { return }
        let delay = isStorming && chance(12) ? span(0...3_000) : span(1...20)
        queue.add(event, at: now + delay)
        if chance(20) { queue.add(event, at: now + delay + span(0...500)) }
    }

    // MARK: an insert, part by part

    mutating func nextPart(_ shell: Int) {
        guard let insert = shells[shell].insert else { return }
        guard let part = insert.parts.first else {
            shells[shell].insert = nil
            return handle(shell, .answered(attempt: insert.attempt, .inserted))
        }
        guard now <= insert.order.until.nanoseconds else { return unsettleInsert(shell) }
        if insert.order.isRepeat, store.rule == .byToken, insert.lackedAt == nil {
            send(.look(part), insert.attempt, shell)
        } else {
            // The window counts from when the record was surely this owner's.
            let proof = insert.order.until - IntentMachine.insertNanosecondsMax
            let blocks = insert.lackedAt ?? store.blocks(part.table, at: proof.nanoseconds)
            let work = Work.insert(part, batch: insert.order.token, blocks: blocks)
            send(work, insert.attempt, shell)
        }
    }

    mutating func partAnswered(_ shell: Int, _ call: Int, _ answer: PartAnswer) {
        guard let insert = shells[shell].insert, insert.call == call,
            let part = insert.parts.first
        else { return }
        switch answer {
        case .looked(count: 0, let blocks): shells[shell].insert?.lackedAt = blocks
        case .looked(part.rows.count, _):
            counts.found += 1
            let token = part.token(insert.order.token)
            if !store.remembers(token, part.table) { counts.forgotten += 1 }
            shells[shell].insert?.parts.removeFirst()
        case .looked(let count, _):
            shells[shell].insert = nil
            let text = "\(count) of \(part.rows.count) rows"
            return handle(shell, .answered(attempt: insert.attempt, .differs(text)))
        case .inserted:
            shells[shell].insert?.lackedAt = nil
            shells[shell].insert?.parts.removeFirst()
        }
        nextPart(shell)
    }

    mutating func unsettleInsert(_ shell: Int) {
        guard let insert = shells[shell].insert else { return }
        shells[shell].insert = nil
        handle(shell, .answered(attempt: insert.attempt, .unsettled))
    }

    // MARK: faults

    /// Returns the moment before this write.
    mutating func point(of record: IntentRecord, _ shell: Int) -> KillPoint? {
        let current = records.record(shells[shell].place)
        let isIntent = record.intent != nil && record.intent != current?.intent
        guard record.position != current?.position else { return isIntent ? .beforeIntent : nil }
        return isIntent && chance(2) ? .beforeIntent : .beforePosition
    }

    /// Kills or pauses the process now and then. Returns true if it is killed.
    mutating func strike(_ point: KillPoint, _ process: Int) -> Bool {
        guard isStorming else { return false }
        switch Int.random(in: 0..<40, using: &random) {
        case 0...1:
            counts.kills[point, default: 0] += 1
            kill(process)
            return true
        case 2...3 where !damagesRecords:
            counts.pauses[point, default: 0] += 1
            pause(process, span(300...9_000))
            return false
        default: return false
        }
    }

    mutating func storm() {
        guard isStorming else { return }
        queue.add(.storm, at: now + span(20...400))
        let process = Int.random(in: 0..<processes.count, using: &random)
        let place = Int.random(in: 0..<tapes.count, using: &random)
        switch Int.random(in: 0..<10, using: &random) {
        case 0: if !damagesRecords { pause(process, span(200...9_000)) }
        case 1: kill(process)
        case 2: processes[process].recordsCutUntil = now + span(200...5_000)
        case 3: processes[process].storeCutUntil = now + span(200...5_000)
        case 4: if !damagesRecords { queue.add(.assigns(place), at: now) }
        case 5: if let owner = owners[place] { queue.add(.told(owner, .drain), at: now) }
        case 6...7:
            for table in store.blocks.indices {
                store.fill(table, blocks: Int.random(in: 0...40, using: &random))
            }
        case 8: records.keepCopy()
        default:
            guard damagesRecords, chance(4) else { return }
            damaged.insert(place)
            records.damage(place, isDeleted: chance(2))
        }
    }

    /// Ends all faults. What is on its way still arrives.
    mutating func calm() {
        for process in processes.indices {
            processes[process].recordsCutUntil = now
            processes[process].storeCutUntil = now
            processes[process].pausedUntil = now
            queue.add(.wakes(process), at: now)
        }
        // An owner with nothing to write does not notice that its record was restored: its
        // successor does.
        for place in damaged.sorted() {
            if let owner = owners[place] { queue.add(.told(owner, .drain), at: now) }
        }
        // One process knows all layouts.
        kill(0)
    }
}
