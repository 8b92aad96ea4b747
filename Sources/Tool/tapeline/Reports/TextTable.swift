/// Formats rows of cells in columns as wide as their widest cell.
enum TextTable {
    /// The first row is the header. Columns in `numbers` are aligned to the right; the last cell is
    /// not padded.
    static func lines(_ rows: [[String]], numbers: Set<Int> = []) -> [String] {
        let widths = (rows.first ?? []).indices.map { column in
            rows.map { $0[column].count }.max() ?? 0
        }
        return rows.map { row in
            let cells = row.enumerated().map { index, cell in
                if numbers.contains(index) { return cell.leftPadded(to: widths[index]) }
                return index == row.count - 1 ? cell : cell.padded(to: widths[index])
            }
            return cells.joined(separator: "  ")
        }
    }
}
