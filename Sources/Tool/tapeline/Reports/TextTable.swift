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

/// Columns of fixed widths, for lines that stay aligned from one look to the next.
struct FixedColumns {
    private let widths: [Int]

    /// A negative width aligns to the right. 0: the cell is as wide as it is.
    init(_ widths: Int...) { self.widths = widths }

    func line(_ cells: String...) -> String {
        zip(cells, widths).map { cell, width in
            width < 0 ? cell.leftPadded(to: -width) : cell.padded(to: width)
        }.joined(separator: " ")
    }
}
