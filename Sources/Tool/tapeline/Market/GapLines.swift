/// The gaps of a table for a person: those of all symbols that an outage left in several partitions
/// are one line.
enum GapLines {
    /// The columns in which `GapsCommand` selects gaps. The last three are not shown.
    private enum Column: Int {
        case symbol, kind, from, to, seconds, state, reason, source, partition, begin, end
    }

    private struct Key: Hashable {
        let source: String
        let state: String
        let reason: String
        let isLasting: Bool
    }

    private struct Outage {
        var cells: [String]
        var kinds: [String]
        var partitions: Set<String>
        var begin: Double
        var end: Double
        var endText: String
    }

    static let all = "(all)"
    static let lasts = "lasts"
    /// What a record calls these three together.
    private static let together = ["other", "quote", "trade"]

    /// Returns the cells of the table. `rows` have the columns above, the oldest first.
    static func merged(_ rows: [[String?]]) -> [[String]] {
        var outages: [Outage] = []
        var last: [Key: Int] = [:]
        for row in rows {
            let cells = row.map { $0 ?? "-" }
            let begin = Double(cells[Column.begin.rawValue]) ?? 0
            let end = Double(cells[Column.end.rawValue]) ?? 0
            let key = Key(
                source: cells[Column.source.rawValue], state: cells[Column.state.rawValue],
                reason: cells[Column.reason.rawValue],
                isLasting: cells[Column.to.rawValue] == lasts)
            let isOfAll = cells[Column.symbol.rawValue] == all
            if isOfAll, let index = last[key], begin <= outages[index].end {
                outages[index].kinds.append(cells[Column.kind.rawValue])
                outages[index].partitions.insert(cells[Column.partition.rawValue])
                if end > outages[index].end {
                    outages[index].end = end
                    outages[index].endText = cells[Column.to.rawValue]
                }
                continue
            }
            if isOfAll { last[key] = outages.count }
            outages.append(
                Outage(
                    cells: Array(cells[..<Column.partition.rawValue]),
                    kinds: [cells[Column.kind.rawValue]],
                    partitions: [cells[Column.partition.rawValue]], begin: begin, end: end,
                    endText: cells[Column.to.rawValue]))
        }
        return outages.map(cells)
    }

    private static func cells(_ outage: Outage) -> [String] {
        guard outage.kinds.count > 1 else { return outage.cells }
        var cells = outage.cells
        let kinds = Set(outage.kinds).sorted()
        let count = outage.partitions.count
        cells[Column.symbol.rawValue] = count == 1 ? all : "(all of \(count) partitions)"
        cells[Column.kind.rawValue] = kinds == together ? "any" : kinds.joined(separator: ", ")
        cells[Column.to.rawValue] = outage.endText
        let tenths = Int(((outage.end - outage.begin) * 10).rounded())
        cells[Column.seconds.rawValue] = "\(tenths / 10).\(tenths % 10)"
        return cells
    }
}
