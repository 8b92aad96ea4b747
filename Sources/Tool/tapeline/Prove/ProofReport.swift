import MarketModel
import Primitives
import ServiceRuntime
import StreamCore

/// The result of a proof, as text for a person and as JSON for a program.
struct ProofReport {
    var tables = ProofComparison()
    var tape = ProofComparison()
    /// The numbers of aggregate nodes; `nil`: there are none, or they were not asked for.
    var values: ProofValues?
    /// The values over all partitions; `nil` as there.
    var overAll: ProofValues?
    let readsTape: Bool
    /// Ticks that were read, from the tables and from the tape. Those around the bars are among
    /// them, and those of other symbols in the packets.
    var ticks = 0
    var nanoseconds: Int64 = 0
    var isInterrupted = false
    /// Series that were not proven from the tables.
    var onLots: [SeriesName] = []
    /// Series and nodes that are made of books, which are not proven.
    var ofBooks: [String] = []
    /// Partitions and times that are no longer on the tape.
    private(set) var cuts: [(partition: Partition, from: Int64, to: Int64)] = []

    static let cutsMax = 1_000
    /// How many bars that differ a person gets to see, of the tables and of the tape each.
    static let barsShown = 10

    init(readsTape: Bool) { self.readsTape = readsTape }

    mutating func add(_ ending: ProofTape.Ending, _ partition: Partition, _ range: Range<Int64>) {
        if ending == .interrupted { isInterrupted = true }
        guard ending == .cut, cuts.count < Self.cutsMax else { return }
        cuts.append((partition, range.lowerBound, range.upperBound))
    }

    /// 1 means that bars differ from what their ticks make. 2 means that not all bars could be
    /// checked, and those that could, if any, are right.
    var exitCode: ExitCode {
        let numbers = [values, overAll].compactMap { $0 }
        guard tables.isClean, tape.isClean, numbers.allSatisfy(\.isClean) else { return .failure }
        let isPart =
            isInterrupted || !cuts.isEmpty || !ofBooks.isEmpty
            || numbers.contains { $0.unchecked > 0 }
        return isPart || isEmpty ? .incomplete : .success
    }

    /// A range without a bar proves nothing.
    private var isEmpty: Bool {
        tables.isEmpty && tape.isEmpty && values?.isEmpty != false && overAll?.isEmpty != false
    }

    func write(_ terminal: Terminal) {
        if terminal.isInteractive { terminal.raw("\r\u{1B}[K") }
        for line in lines { terminal.line(line) }
    }

    /// The report for a person: the first differences, and all numbers.
    var lines: [String] {
        var lines = Self.differences(tables, from: "tables") + Self.differences(tape, from: "tape")
        lines.append("from the tables: \(Self.summary(tables))")
        if readsTape { lines.append("from the tape:   \(Self.summary(tape))") }
        lines += (values?.lines ?? []) + (overAll?.lines ?? [])
        if !onLots.isEmpty {
            let names = onLots.map(\.text).joined(separator: ", ")
            lines.append("not from the tables: \(names): what an odd lot is, only the tape says")
        }
        if !ofBooks.isEmpty {
            lines.append(
                "not checked: \(ofBooks.joined(separator: ", ")): they are made of books, and only "
                    + "repairs compute these again")
        }
        lines += cuts.map { cut in
            "partition \(cut.partition): the tape does not hold "
                + "\(Timestamp(nanoseconds: cut.from)) to \(Timestamp(nanoseconds: cut.to)) "
                + "any more; proven from the tables alone"
        }
        if isEmpty {
            lines.append(
                "nothing was compared: no bar that is over opens in that time, neither stored nor "
                    + "made of the ticks that are kept")
        }
        if isInterrupted { lines.append("interrupted: the rest was not looked at") }
        let rate = nanoseconds > 0 ? Double(ticks) / Double(nanoseconds) * 1_000 : 0
        return lines + [
            "\(ticks) ticks read, also around the bars, \(Double(Int(rate * 100)) / 100) million "
                + "a second"
        ]
    }

    /// Returns the first bars that differ with their fields, and the number of the others.
    private static func differences(
        _ comparison: ProofComparison, from place: String
    ) -> [String] {
        var lines: [String] = []
        for difference in comparison.differences.prefix(barsShown) {
            lines.append("\(difference.kind.rawValue) \(difference.key) (from the \(place))")
            lines += difference.fields.map {
                "  \($0.name): stored \($0.stored), computed \($0.computed)"
            }
        }
        let more = comparison.wrong - min(comparison.wrong, barsShown)
        guard more > 0 else { return lines }
        let rest = more == 1 ? "1 more bar" : "\(more) more bars"
        let which =
            comparison.wrong > comparison.differences.count
            ? "the first \(comparison.differences.count)" : "all"
        return lines + ["and \(rest) (from the \(place)): --json shows \(which)"]
    }

    private static func summary(_ comparison: ProofComparison) -> String {
        let text =
            "\(comparison.equal) bars equal, \(comparison.differing) differing, "
            + "\(comparison.missing) missing, \(comparison.extra) extra"
        return comparison.open == 0 ? text : text + ", \(comparison.open) not over yet"
    }

    func json() -> String {
        JSONWriter.made { json in
            json.member("outcome", outcome)
            json.member("ticks_read", ticks)
            json.object("tables") { Self.write(tables, into: &$0) }
            json.member("tape", objectOrNull: readsTape ? tape : nil, Self.write)
            json.member("values", objectOrNull: values) { $0.write(into: &$1) }
            json.member("over_all", objectOrNull: overAll) { $0.write(into: &$1) }
            json.member("not_checked", values: ofBooks)
            json.member("not_on_tape", each: cuts) { cut, json in
                json.member("partition", cut.partition.number)
                json.member("from", Timestamp(nanoseconds: cut.from).description)
                json.member("to", Timestamp(nanoseconds: cut.to).description)
            }
        }.text
    }

    private var outcome: String {
        switch exitCode {
        case .success: "proven"
        case .failure: "differs"
        default: isEmpty && !isInterrupted ? "nothing_compared" : "incomplete"
        }
    }

    private static func write(_ comparison: ProofComparison, into json: inout JSONWriter) {
        json.member("equal", comparison.equal)
        json.member("differing", comparison.differing)
        json.member("missing", comparison.missing)
        json.member("extra", comparison.extra)
        json.member("not_over", comparison.open)
        json.member("bars", each: comparison.differences, write)
    }

    private static func write(_ difference: ProofDifference, into json: inout JSONWriter) {
        json.member("kind", difference.kind.rawValue)
        json.member("symbol", difference.key.symbol.symbol.text)
        json.member("source", difference.key.symbol.source.text)
        json.member("series", difference.key.series.text)
        json.member(
            "open_time", Timestamp(nanoseconds: difference.key.openTime).description)
        json.member("open_time_ns", difference.key.openTime)
        json.member("number", difference.key.number)
        json.array("fields", of: difference.fields) { json, field in field.write(into: &json) }
    }
}

extension ProofDifference.Field {
    func write(into json: inout JSONWriter) {
        json.object { json in
            json.member("name", name)
            json.member("stored", stored)
            json.member("computed", computed)
        }
    }
}
