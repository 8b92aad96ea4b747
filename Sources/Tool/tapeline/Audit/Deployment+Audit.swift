import MarketModel
import Membership
import PostgresClient
import ServiceRuntime
import TapeKeeping
import TapeProtocol
import TapeTransport

/// Checks that each head of the tape is in the writers' books.
extension Deployment {
    /// A lane of the tape and its last ordinal.
    struct LaneEnd: Equatable {
        let input: String
        let source: String
        let partition: Int
        let ordinal: UInt64
    }

    private static let faultsShown = 5

    func compareHeads(
        _ client: TapeClient, _ database: PostgresConnection, _ report: inout AuditReport
    ) throws {
        // What a store does not read stands in no books, or only as it was before.
        let own = try GroupRegistry.registrations(client).first { $0.group == store }
        Self.compare(try heads(client), with: try books(database), reads: own?.reads, &report)
    }

    /// Compares every lane of the tape with how far the writers have taken it. A lane that is only
    /// in the books has lost its tape.
    static func compare(
        _ heads: [LaneEnd], with books: [LaneEnd], reads: Set<ReaderPosition.Input>? = nil,
        _ report: inout AuditReport
    ) {
        for (input, sentence) in [
            ("ticks", "ticks on the tape were taken by the writers, of every source"),
            ("bars", "versions of bars on the tape were taken by the writers"),
        ] where reads?.contains(where: { $0.rawValue == input }) != false {
            let heads = heads.filter { $0.input == input }
            let books = books.filter { $0.input == input }
            let faults = faults(heads, books)
            report.add(
                AuditReport.Line(
                    name: "\(input)_taken", sentence: sentence, expected: "\(sum(heads))",
                    found: "\(sum(books))", isRight: faults.isEmpty,
                    detail: faults.prefix(faultsShown).joined(separator: "; ")))
        }
    }

    private static func sum(_ ends: [LaneEnd]) -> UInt64 {
        ends.reduce(0) { $0 &+ $1.ordinal }
    }

    private static func faults(_ heads: [LaneEnd], _ books: [LaneEnd]) -> [String] {
        struct Lane: Hashable {
            let source: String
            let partition: Int
        }
        func ordinals(_ ends: [LaneEnd]) -> [Lane: UInt64] {
            Dictionary(
                ends.map { (Lane(source: $0.source, partition: $0.partition), $0.ordinal) },
                uniquingKeysWith: max)
        }
        let (onTape, inBooks) = (ordinals(heads), ordinals(books))
        return Set(onTape.keys).union(inBooks.keys)
            .sorted { ($0.source, $0.partition) < ($1.source, $1.partition) }
            .compactMap { lane in
                let (tape, book) = (onTape[lane] ?? 0, inBooks[lane] ?? 0)
                guard tape != book else { return nil }
                return "\(lane.source)/\(lane.partition): \(tape) on the tape, \(book) taken"
            }
    }

    private func heads(_ client: TapeClient) throws -> [LaneEnd] {
        func ends(_ input: String, _ heads: [TapeReport.Head]) -> [LaneEnd] {
            heads.map {
                LaneEnd(
                    input: input, source: $0.source.text, partition: $0.partition.number,
                    ordinal: $0.lastOrdinal)
            }
        }
        let ticks = try (0..<TapeNames.tickStreams).flatMap {
            try client.heads(
                stream: names.tickStream($0), matching: "\(names.namespace).ticks.*.*")
        }
        let bars = try client.heads(
            stream: names.barStream, matching: "\(names.namespace).bars.*")
        return ends("ticks", ticks) + ends("bars", bars)
    }

    private func books(_ database: PostgresConnection) throws -> [LaneEnd] {
        // The stream derived over all partitions has its own lane, with a number above all
        // partitions.
        let result = try database.execute(
            "SELECT input, source, partition, max(last_ordinal) FROM reached_ordinals "
                + "WHERE partition < \(names.partitions) GROUP BY 1, 2, 3",
            timeout: DatabaseAudit.checkTimeout)
        return (0..<result.rowCount).compactMap { row in
            guard let input = result[row, 0], let source = result[row, 1],
                let partition = result[row, 2].flatMap({ Int($0) }),
                let ordinal = result[row, 3].flatMap({ UInt64($0) })
            else { return nil }
            return LaneEnd(input: input, source: source, partition: partition, ordinal: ordinal)
        }
    }
}

extension AuditReport {
    /// What was found, in words, and below it what was not looked at.
    var verdict: String {
        let count = lines.count == 1 ? "1 check" : "\(lines.count) checks"
        let omitted = omissions.map { "\nnot checked: \($0.name): \($0.reason)" }.joined()
        guard isClean else { return "THE AUDIT FAILED: \(failures) of \(count)" + left + omitted }
        if isOfNothing {
            let place = scope == .all ? "" : " of that time"
            return "there is nothing to judge: no tick and no bar\(place) is stored" + omitted
        }
        if isOfBooks {
            return "the audit is clean: \(count) of the books: all that the writers took from the "
                + "tape is accounted for" + left + omitted
        }
        let what = scope == nil || scope == .all ? "" : " of the range and the books"
        return "the audit is clean: \(count)\(what)"
            + (scope == nil || !omissions.allSatisfy(\.isExpected)
                ? "" : ": tape and database hold the same")
            + left + omitted
    }

    /// What the scope leaves out, and which command reads it.
    private var left: String {
        guard !notChecked.isEmpty else { return "" }
        let names = notChecked.joined(separator: ", ")
        return isOfBooks
            ? "\nno row was read (not checked: \(names)): --day today reads those of a day and "
                + "compares them with the tape, --all every row"
            : "\nnot checked: \(names); --all reads every row"
    }

    private var isOfBooks: Bool { scope == .books }

    func report(to terminal: Terminal, asJSON: Bool) -> ExitCode {
        if asJSON {
            terminal.line(json())
        } else {
            for line in text { terminal.line(line) }
            terminal.line(verdict)
        }
        guard isClean else { return .failure }
        return !isOfNothing && omissions.allSatisfy(\.isExpected) ? .success : .incomplete
    }
}
