/// The search for the rows that a database refuses, when it only reports whether a range of rows is
/// good as a whole. It needs O(bad * log n) tries, or three per bad row if the hints are right.
///
/// Pure. The caller tries `next`, then calls `good` or `bad`. Ranges come in order. In the end each
/// row is either part of a good range or found.
struct Bisection: Sendable {
    /// The range to try; `nil` when every row is decided.
    private(set) var next: Range<Int>?
    /// Rows that were refused alone, in order.
    private(set) var found: [Int] = []
    /// The undecided ranges after `next`; the one that follows it is the last element.
    private var rest: [Range<Int>] = []
    /// The row of the last hint. It is tried alone, after the rows before it, which should be good.
    private var hinted: Int?
    /// Whether hints are used. After one wrong hint none is used any more, because wrong hints
    /// could cost a try per row.
    private var believesHints = true

    init(count: Int) { next = count > 0 ? 0..<count : nil }

    /// Notes that the range is good, and moves to the next one.
    mutating func good() {
        // The hint named this row as bad, and it is good.
        if let range = next, range.count == 1, range.lowerBound == hinted { believesHints = false }
        advance()
    }

    /// Notes that the range has a bad row. A range of one row is that row, and is decided. A longer
    /// one is split. `hint` is its first bad row according to the database; a row outside of the
    /// range is ignored.
    mutating func bad(hint: Int? = nil) {
        guard let range = next else { return }
        // This range is before the row that the hint named as the first bad one.
        if let hinted, range.upperBound <= hinted { believesHints = false }
        if range.count == 1 {
            found.append(range.lowerBound)
            advance()
            return
        }
        if let hint, believesHints, range.contains(hint) {
            hinted = hint
            push(hint + 1..<range.upperBound)
            push(hint..<hint + 1)
            push(range.lowerBound..<hint)
        } else {
            let middle = range.lowerBound + range.count / 2
            push(middle..<range.upperBound)
            push(range.lowerBound..<middle)
        }
        advance()
    }

    private mutating func push(_ range: Range<Int>) { if !range.isEmpty { rest.append(range) } }

    /// Moves to the next range. Where bad rows are dense, a long range is hardly ever good. Then it
    /// is tried in pieces of four times the mean distance of bad rows so far.
    private mutating func advance() {
        next = rest.popLast()
        guard let range = next, found.count >= Self.denseMin else { return }
        let (ways, overflow) = range.lowerBound.multipliedReportingOverflow(by: 4)
        let limit = max(Self.pieceMin, overflow ? Int.max : ways / found.count)
        guard range.count > limit else { return }
        next = range.lowerBound..<range.lowerBound + limit
        push(range.lowerBound + limit..<range.upperBound)
    }

    /// From this number of bad rows on, long ranges are tried in pieces.
    private static let denseMin = 4
    /// The least length of a piece.
    private static let pieceMin = 32
}
