import ClickHouseWire
import Membership
import NatsTransport
import Primitives
import ServiceRuntime
import StoreHTTP
import StoreSinks

/// A store of ClickHouse into which rows are copied. It has no transactions: a step looks first
/// which of its ordinals have rows, inserts the others, and looks again; then the table `fills`
/// says that they were copied. A step that was interrupted is repeated, and finds what is there.
final class ClickHouseFillTarget: FillWriting {
    /// The lock is another one's for so long after its last step: longer than a step may take.
    private static let lockTime = Duration.seconds(7_200)

    private let filled: FilledClickHouse
    private let other: GroupName
    /// The number of the lock's last write; `nil`: it is not this command's.
    private var revision: UInt64?
    private var lockKey: String { "\(filled.store).fill" }

    init(_ filled: FilledClickHouse, from other: GroupName) {
        self.filled = filled
        self.other = other
    }

    // MARK: the lock

    func begin() throws {
        let present = try filled.bucket.get(lockKey)
        if let present {
            let end = try VersionedJSON.read(present.value, upTo: 1)["until_ns"]?.int ?? 0
            let until = Timestamp(nanoseconds: Int64(end))
            guard until < SystemClock().now() else {
                throw ToolError.refused(
                    "\(filled.store) is being filled by another command; if that was killed, wait "
                        + "until \(until)")
            }
        }
        try lock(after: present?.revision ?? 0)
    }

    func end() throws {
        guard let revision else { return }
        _ = try filled.bucket.delete(lockKey, expected: revision)
        self.revision = nil
    }

    private func lock(after known: UInt64) throws {
        var json = JSONWriter()
        let until = SystemClock().now().advanced(byNanoseconds: Self.lockTime.clampedNanoseconds)
        json.object(version: 1) { $0.member("until_ns", until.nanoseconds) }
        guard case .stored(let stored) = try filled.bucket.put(lockKey, json.bytes, after: known)
        else { throw ToolError.refused("\(filled.store) is being filled by another command") }
        revision = stored
    }

    // MARK: rows

    /// A series has no table of its own.
    func note(series: String) {}

    func store(
        _ step: FillPlan.Stretch, _ all: [FillRows], _ times: (stretches: String, replayed: String)
    ) throws -> FillOutcome {
        guard let revision else { preconditionFailure("nothing is stored without the lock") }
        try lock(after: revision)
        let present = try filled.ordinals(of: step)
        let copied = all.filter(\.table.isCounted)
        try filled.requireTables(of: copied)
        let ordinals = Set(copied.flatMap { $0.rows.map(\.ordinal) }).union(present).sorted()
        let outcome = FillOutcome(step, rows: ordinals)
        if outcome.settled == 0, !step.isBeginning { return outcome }
        // Those of a hole stay in gaps that name them.
        guard !step.isBeginning || outcome.named.count <= FillOutcome.namedMax else {
            throw ToolError.refused(
                "more than \(FillOutcome.namedMax) ranges of \(place(step)) would stay missing: "
                    + "fill \(filled.store) from a store that takes all tables")
        }
        do {
            for (name, table) in try blocks(copied, without: Set(present)) {
                for part in table.parts() {
                    try filled.client.insert(
                        part.block, token: token(step, "\(name)/\(part.block.part)/\(digest(part))")
                    )
                }
            }
            guard try filled.ordinals(of: step) == ordinals else {
                throw ToolError.refused(
                    "\(filled.store) did not take all rows of \(place(step)): were rows deleted "
                        + "there in the last days? Repeat it later")
            }
            try note(step, outcome)
        } catch let error as StoreServerError {
            throw ToolError.refused(
                "\(filled.store) takes no copies of \(place(step)): mend what refuses them, and "
                    + "repeat it: \(error)")
        }
        return outcome
    }

    /// Returns the rows that are not there, by table.
    private func blocks(
        _ all: [FillRows], without present: Set<Int64>
    ) throws -> [(name: String, rows: NativeRows)] {
        var blocks: [String: NativeRows] = [:]
        for rows in all {
            guard let table = FilledClickHouse.tables[rows.table.name] else { continue }
            for row in rows.rows where !present.contains(row.ordinal) {
                try blocks[table.name, default: NativeRows(table)].add(
                    JSONValue.parse(row.text))
            }
        }
        return blocks.sorted { $0.key < $1.key }.map { (name: $0.key, rows: $0.value) }
    }

    /// Says of the ordinals of a step that they were copied, and before the store's first one also
    /// which ones stay missing.
    private func note(_ step: FillPlan.Stretch, _ outcome: FillOutcome) throws {
        var rows = NativeRows(.fills)
        for range in step.without(outcome.named) {
            rows.add(range, rows: range.size, step.lane, from: other)
        }
        if step.isBeginning {
            for range in outcome.named { rows.add(range, rows: 0, step.lane, from: other) }
        }
        for part in rows.parts() {
            try filled.client.insert(part.block, token: token(step, "fills/\(digest(part))"))
        }
    }

    private func digest(_ part: BlockPart<NativeBlock>) -> String {
        String(part.block.digest(after: 0), radix: 16)
    }

    private func token(_ step: FillPlan.Stretch, _ rest: String) -> String {
        let lane = step.lane
        return "fill/\(filled.store)/\(lane.input)/\(lane.partition)/\(lane.source)/"
            + "\(step.ordinals.lowerBound)-\(step.ordinals.upperBound)/\(rest)"
    }

    private func place(_ step: FillPlan.Stretch) -> String {
        "ordinals \(step.ordinals.lowerBound) to \(step.ordinals.upperBound) of "
            + "\(step.lane.source) in partition \(step.lane.partition)"
    }
}

extension NativeRows {
    /// Adds a row of the table `fills`.
    fileprivate mutating func add(
        _ range: ClosedRange<Int64>, rows: Int64, _ lane: FillLane, from other: GroupName
    ) {
        row(columns: Int16(ClickHouseTable.fills.columns.count))
        text(lane.input)
        int64(lane.partition)
        text(lane.source)
        int64(range.lowerBound)
        int64(range.upperBound)
        int64(rows)
        text(other.text)
    }

    /// Adds a row whose values are members of a JSON object, as `FillSource.Form.values` has them.
    mutating func add(_ json: JSONValue) throws(ToolError) {
        row(columns: Int16(table.columns.count))
        for column in table.columns {
            guard let value = json[column.name], add(value, column.kind) else {
                throw .unreadable(
                    "a row for \(table.name) has no \(column.name) that it can take")
            }
        }
    }

    /// Returns false when the value is none of this kind.
    private mutating func add(_ value: JSONValue, _ kind: ColumnKind) -> Bool {
        if value == .null {
            null()
            return true
        }
        switch kind {
        case .int64:
            guard let number = value.int else { return false }
            int64(Int64(number))
        case .decimal(let scale):
            guard case .number(let text) = value, let number = Int128(text, scale: scale) else {
                return false
            }
            numeric(number, scale: scale)
        case .text:
            guard let text = value.string else { return false }
            self.text(text)
        case .json:
            guard let text = value.string else { return false }
            jsonb(text)
        case .bool:
            guard let flag = value.bool else { return false }
            bool(flag)
        case .time:
            guard let number = value.int else { return false }
            let (time, overflow) = Int64(number).multipliedReportingOverflow(by: 1_000)
            guard !overflow else { return false }
            timestamptz(Timestamp(nanoseconds: time))
        case .bytes:
            guard let bytes = value.string.flatMap({ [UInt8](hexadecimal: $0) }) else {
                return false
            }
            self.bytes(bytes)
        }
        return true
    }
}

extension Int128 {
    /// Reads a decimal number as a multiple of 10^-scale. `nil` when it is none, or has more
    /// digits.
    init?(_ text: String, scale: Int) {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let fraction = parts.count > 1 ? String(parts[1]) : ""
        guard parts[0].last?.isNumber ?? false, fraction.utf8.count <= scale,
            fraction.allSatisfy(\.isNumber)
        else { return nil }
        let zeros = String(repeating: "0", count: scale - fraction.utf8.count)
        self.init("\(parts[0])\(fraction)\(zeros)")
    }
}

extension [UInt8] {
    /// Reads pairs of digits.
    fileprivate init?(hexadecimal text: String) {
        let digits = text.utf8.map { UInt8(String(UnicodeScalar($0)), radix: 16) }
        guard digits.count % 2 == 0, !digits.contains(nil) else { return nil }
        let values = digits.compactMap(\.self)
        self = stride(from: 0, to: values.count, by: 2).map { values[$0] << 4 | values[$0 + 1] }
    }
}
