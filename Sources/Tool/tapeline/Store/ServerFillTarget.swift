import DeadLetters
import Membership
import Primitives
import ServiceRuntime
import StoreHTTP
import StoreSinks

/// A store without transactions into which rows are copied. A step looks first which of its
/// ordinals have rows, inserts the others, and looks again; then the table `fills` says that they
/// were copied. A step that was interrupted is repeated, and finds what is there.
final class ServerFillTarget: FillWriting {
    /// The lock is another one's for so long after its last step: longer than a step may take.
    static let lockTime = Duration.seconds(7_200)
    /// The same where each step is one row.
    static let lockTimeOfRows = Duration.seconds(600)
    /// A row whose insert was not answered may still come for so long. Until then no command may
    /// conclude from its absence that it was not stored.
    static let lateRows = Duration.seconds(30)

    private let filled: FilledStore
    private let lockTime: Duration
    private let now: () -> Timestamp
    private let other: GroupName
    /// When the streams were created that the store reads, by input and partition.
    private let streams: [String: String]
    /// The number of the lock's last write; `nil`: it is not this command's.
    private var revision: UInt64?
    /// The ordinal of a letter whose row may be there without being noted. The lock names it, so
    /// that the next command notes it.
    private var replayed: FillPlan.Stretch?
    private var lockKey: String { "\(filled.store).fill" }
    private var server: any FilledServer { filled.server }

    init(
        _ filled: FilledStore, from other: GroupName, streams: [String: String],
        lockTime: Duration = lockTime, now: @escaping () -> Timestamp = { SystemClock().now() }
    ) {
        self.filled = filled
        self.other = other
        self.streams = streams
        self.lockTime = lockTime
        self.now = now
    }

    // MARK: the lock

    func begin() throws {
        let present = try filled.records.get(lockKey)
        if let present {
            let json = try VersionedJSON.read(present.value, upTo: 1)
            let until = Timestamp(nanoseconds: Int64(json["until_ns"]?.int ?? 0))
            guard until <= now() else {
                throw ToolError.refused(
                    "\(filled.store) is being filled by another command; if that was killed, wait "
                        + "until \(until)")
            }
            if let json = json["replayed"] { replayed = try rowOfReplay(json) }
        }
        try lock(after: present?.revision ?? 0)
        do {
            try finishReplay()
        } catch {
            try end()
            throw error
        }
    }

    /// What is not noted yet stays named for the next command.
    func end() throws {
        guard let revision else { return }
        if replayed == nil {
            try filled.records.delete(lockKey, expected: revision)
        } else {
            try lock(after: revision, for: Self.lateRows)
        }
        self.revision = nil
    }

    private func lock(after known: UInt64, for time: Duration? = nil) throws {
        let until = now().advanced(byNanoseconds: (time ?? lockTime).clampedNanoseconds)
        let json = JSONWriter.made(version: 1) { json in
            json.member("until_ns", until.nanoseconds)
            guard let replayed else { return }
            json.object("replayed") { json in
                json.member("input", replayed.lane.input)
                json.member("partition", replayed.lane.partition)
                json.member("source", replayed.lane.source)
                json.member("ordinal", replayed.ordinals.lowerBound)
            }
        }
        guard let stored = try filled.records.put(lockKey, json.bytes, after: known) else {
            throw ToolError.refused("\(filled.store) is being filled by another command")
        }
        revision = stored
    }

    private func rowOfReplay(_ json: JSONValue) throws(ToolError) -> FillPlan.Stretch {
        guard let input = json["input"]?.string, let partition = json["partition"]?.int,
            let source = json["source"]?.string, let ordinal = json["ordinal"]?.int, ordinal > 0
        else {
            throw .refused(
                "the record \(lockKey) in NATS names no row that a replay may have stored: "
                    + "a newer release wrote it, or it is damaged")
        }
        return FillPlan.Stretch(
            lane: FillLane(input: input, partition: Int64(partition), source: source),
            ordinal: Int64(ordinal))
    }

    // MARK: letters

    /// Stores the row of a dead letter, and then notes its ordinal as copied, so that the audit
    /// counts it. The lock names the ordinal before. `rows` is the row that is to be there.
    func replay(
        _ step: FillPlan.Stretch, _ block: any StoreBlock, _ rows: [FillRows]
    ) throws -> LetterFate {
        guard let revision else { preconditionFailure("nothing is stored without the lock") }
        replayed = step
        try lock(after: revision)
        do throws(StoreServerError) {
            try server.insert(block, token: token(step, "letter"))
        } catch {
            // Without an answer the row may be there.
            guard error.fault != .away else { throw error }
            replayed = nil
            return .refused("\(error)")
        }
        try server.confirm()
        guard try server.ordinals(of: step, rows) == [step.ordinals.lowerBound] else {
            replayed = nil
            return .refused(
                "\(filled.store) did not take it: was its row deleted there in the last days? "
                    + "Repeat it later")
        }
        try note(step, FillOutcome(step, rows: [step.ordinals.lowerBound]))
        replayed = nil
        return .stored
    }

    /// Notes the row of a letter whose replay was interrupted, if it is there.
    private func finishReplay() throws {
        guard let step = replayed else { return }
        let ordinal = step.ordinals.lowerBound
        let noted = try server.named()[step.lane]?.filled ?? []
        if !noted.contains(where: { $0.contains(ordinal) }),
            try server.ordinals(of: step, []) == [ordinal]
        {
            try note(step, FillOutcome(step, rows: [ordinal]))
        }
        replayed = nil
    }

    // MARK: rows

    /// A series has no table of its own.
    func note(series: String) {}

    func store(
        _ step: FillPlan.Stretch, _ all: [FillRows], _ times: (stretches: String, replayed: String)
    ) throws -> FillOutcome {
        guard let revision else { preconditionFailure("nothing is stored without the lock") }
        try lock(after: revision)
        let copied = all.filter(\.table.isCounted)
        try filled.requireTables(of: copied)
        do {
            let present = try server.ordinals(of: step, copied)
            let found = try blocks(copied, without: Set(present))
            let ordinals = Set(copied.flatMap { $0.rows.map(\.ordinal) }).union(present)
                .subtracting(found.unfit).sorted()
            let outcome = FillOutcome(step, rows: ordinals)
            if outcome.settled == 0, !step.isBeginning { return outcome }
            // Those of a hole stay in gaps that name them.
            if step.isBeginning { try outcome.requireFew(of: step, in: filled.store.text) }
            for block in found.blocks {
                try server.insert(
                    block,
                    token: token(step, "\(block.tableName)/\(block.part)/\(digest(block))"))
            }
            try server.confirm()
            guard try server.ordinals(of: step, copied) == ordinals else {
                throw ToolError.refused(
                    "\(filled.store) did not take all rows of \(step.place): were rows deleted "
                        + "there in the last days? Repeat it later")
            }
            try note(step, outcome)
            return outcome
        } catch let error as StoreServerError {
            throw ToolError.refused(
                "\(filled.store) takes no copies of \(step.place): mend what refuses them, and "
                    + "repeat it: \(error)")
        }
    }

    /// Returns the rows that are not there, table by table.
    private func blocks(
        _ all: [FillRows], without present: Set<Int64>
    ) throws -> FilledBlocks {
        var rows: [FilledTable: [FillRows.Row]] = [:]
        for found in all {
            guard let table = FilledTable.all[found.table.name] else { continue }
            rows[table, default: []] += found.rows.filter { !present.contains($0.ordinal) }
        }
        var blocks = FilledBlocks()
        for (table, rows) in rows.sorted(by: { $0.key.name < $1.key.name }) {
            let found = try server.blocks(rows, of: table)
            blocks.blocks += found.blocks
            blocks.unfit += found.unfit
        }
        return blocks
    }

    /// Says of the ordinals of a step that they were copied, and before the store's first one also
    /// which ones stay missing.
    private func note(_ step: FillPlan.Stretch, _ outcome: FillOutcome) throws {
        let lane = step.lane
        let created = streams["\(lane.input).\(lane.partition)"].flatMap { Int64($0) } ?? 0
        func note(_ range: ClosedRange<Int64>, rows: Int64) -> FillNote {
            FillNote(
                lane: lane, ordinals: range, rows: rows, other: other.text, streamCreated: created)
        }
        var notes = step.without(outcome.named).map { note($0, rows: $0.size) }
        if step.isBeginning { notes += outcome.named.map { note($0, rows: 0) } }
        for block in server.blocks(notes) {
            try server.insert(block, token: token(step, "fills/\(digest(block))"))
        }
        try server.confirm()
    }

    private func digest(_ block: any StoreBlock) -> String {
        String(block.digest(after: 0), radix: 16)
    }

    private func token(_ step: FillPlan.Stretch, _ rest: String) -> String {
        let lane = step.lane
        return "fill/\(filled.store)/\(lane.input)/\(lane.partition)/\(lane.source)/"
            + "\(step.ordinals.lowerBound)-\(step.ordinals.upperBound)/\(rest)"
    }
}
