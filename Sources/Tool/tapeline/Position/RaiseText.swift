import MarketModel
import Primitives

/// Describes what is raised and what is lost, for a person and for a program.
struct RaiseText {
    let plan: RaisePlan
    let accepted: [Acceptance]
    var givenUp: [GroupPosition] = []
    /// Records and requests have these numbers already.
    let isRaised: Bool

    /// What no database has.
    static let buckets = [
        "gaps that waited to be filled, where 'tapeline buckets import' did not put them back",
        "registered groups, people's instruments and what was loaded (the same)",
        "retired sources",
        "dead letters that were in no file ('tapeline dlq export')",
        "ticks and bars that the tape took after the times above",
    ]

    private static let columns = FixedColumns(5, -4, 20, -12, -6, -12, 0)

    var lines: [String] {
        let acceptance = AcceptanceText(plans: accepted, givenUp: givenUp)
        guard !plan.isNothing || !acceptance.isNothing else {
            return ["nothing to raise: the tape has all that the database has"]
        }
        var lines = [
            Self.columns.line(
                "INPUT", "PART", "SOURCE", "STORED TO", "EPOCH", "ON TAPE", " TAKEN UNTIL")
        ]
        lines += plan.lines.filter(\.isNeeded).map(line)
        if isRaised, !plan.isNothing { lines.append("all of this is raised already") }
        if !acceptance.isNothing { lines += acceptance.lines }
        lines.append("lost, unless it was put back:")
        lines += Self.buckets.map { "  \($0)" }
        return lines
    }

    private func line(_ line: RaisePlan.Line) -> String {
        Self.columns.line(
            line.input.rawValue, "\(line.partition)", line.source.text, "\(line.lastOrdinal)",
            "\(line.epoch)", "\(line.onTape)", line.until.isDefined ? " \(line.until)" : " -")
    }

    func json(isDryRun: Bool, isDone: Bool) -> String {
        JSONWriter.made { writer in
            writer.member("dry_run", isDryRun)
            writer.member("raised", isDone || isRaised)
            writer.member("changed", isDone)
            writer.member("destroyed", accepted.reduce(0) { $0 &+ $1.lostCount })
            writer.member("given_twice", accepted.reduce(0) { $0 &+ $1.givenTwiceCount })
            writer.member("positions", accepted.count)
            writer.member("given_up", givenUp.count)
            writer.member("lines", each: plan.lines.filter { $0.isNeeded }, write)
            writer.member("lost", values: Self.buckets)
        }.text
    }

    private func write(_ line: RaisePlan.Line, _ writer: inout JSONWriter) {
        writer.member("input", line.input.rawValue)
        writer.member("partition", line.partition.number)
        writer.member("source", line.source.text)
        writer.member("last_ordinal", line.lastOrdinal)
        writer.member("epoch", line.epoch)
        writer.member("on_tape", line.onTape)
        if line.until.isDefined {
            writer.member("taken_until", line.until.description)
            writer.member("taken_until_ns", line.until.nanoseconds)
        }
    }
}
