import StoreIntents
import TapeCodec

/// What must be true in each step, and at the end.
extension IntentWorld {
    /// A record was stored: its position is not ahead of the store, and it does not forget a batch.
    mutating func auditWrite(_ place: Int, _ old: IntentRecord?, _ new: IntentRecord) {
        if !damagesRecords {
            if new.epoch < old?.epoch ?? 0 { fail("an epoch goes back") }
            if let intent = old?.intent, new.intent != intent,
                new.position?.sequence ?? 0 < intent.packet.sequence
            {
                fail("a declared batch is forgotten")
            }
        }
        let from = old?.position?.sequence ?? 0
        let through = new.position?.sequence ?? 0
        if through < from { fail("a position goes back") }
        if through > from {
            auditStored(place, through: through)
            if new.intent != nil { counts.joined += 1 }
        }
        if let intent = new.intent {
            declared[intent.token(in: "ch/trades/\(place)")] = (through, intent)
        }
    }

    /// All rows up to a position are in the store, each once.
    private mutating func auditStored(_ place: Int, through sequence: UInt64) {
        for row in tapes[place].rows(0..<sequence + 1, layout: 0) {
            let copies = store.rows[row.key]?.count ?? 0
            if copies != 1 { fail("the position is at \(sequence), \(row.key): \(copies) rows") }
        }
    }

    /// A position was reported as stored.
    mutating func auditReport(_ position: TapePosition, _ shell: Int) {
        guard !damagesRecords else { return }
        let place = shells[shell].place
        if records.record(place)?.position?.sequence ?? 0 < position.sequence {
            fail("a position is reported that no record has")
        }
    }

    /// After another owner has claimed, an owner orders one insert at most.
    mutating func auditInsertOrder(_ shell: Int) {
        let epoch = records.record(shells[shell].place)?.epoch ?? 0
        guard epoch > shells[shell].epoch, !damagesRecords else { return }
        shells[shell].insertsAfterClaim += 1
        if shells[shell].insertsAfterClaim > 1 { fail("a fenced owner inserts again") }
    }

    /// The store took a part, of which these rows are new.
    mutating func auditInsert(
        _ call: Call, _ part: SimulatedPart, _ batch: String, _ added: [SimulatedRow]
    ) {
        let place = shells[call.shell].place
        guard let (start, intent) = declared[batch] else {
            return fail("a batch is inserted that was not declared")
        }
        let rows = tapes[place].rows(
            start + 1..<intent.packet.sequence + 1, layout: intent.layout)
        let same = SimulatedPart.all(rows).first { $0.table == part.table && $0.day == part.day }
        if same?.rows != part.rows { fail("a batch differs from its intent") }
        for row in added where store.rows[row.key]?.count != 1 {
            fail("\(row.key) is stored twice")
        }
        let record = records.record(place)
        if shells[call.shell].epoch < record?.epoch ?? 0 { counts.lateInserts += 1 }
        guard !added.isEmpty, !damagesRecords else { return }
        if record?.intent?.token(in: "ch/trades/\(place)") != batch {
            fail("new rows of a batch that is not the declared one")
        }
    }

    /// Whether all is stored of which no person has to decide.
    var isComplete: Bool {
        guard now > Self.stormEnd + 20 * second else { return false }
        return tapes.allSatisfy { tape in
            let record = records.record(tape.place)
            return named.contains(tape.place)
                || tape.published == tape.packets.count && record?.intent == nil
                    && record?.position?.sequence == tape.packets.last?.sequence
        }
    }

    /// At the end each row is there once, and no other one.
    mutating func auditRows() {
        for tape in tapes {
            let place = tape.place
            let own = store.rows.filter { $0.key.place == place }
            if own.contains(where: { $0.value.count != 1 }) { fail("a row is stored twice") }
            guard !named.contains(place) else { continue }
            if damaged.contains(place) { counts.completed += 1 }
            let first = tape.rows(0..<UInt64.max, layout: 1)
            let second = tape.rows(0..<UInt64.max, layout: 2)
            for (row, other) in zip(first, second) {
                let values = store.rows[row.key] ?? []
                if values != [row.value], values != [other.value] {
                    fail("\(row.key) is missing, or another row")
                }
            }
            if own.count != first.count { fail("\(own.count) rows of \(first.count)") }
        }
    }
}
