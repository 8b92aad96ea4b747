/// Finds the rows of a list that a database refuses, when all it says is whether a range of them is
/// good as a whole: O(bad * log n) tries; with hints that hold, three for each bad row.
///
/// Pure. `next` is tried, then `good` or `bad` is said; ranges come in order, and each row is
/// either part of a good range in the end or found.
struct Bisection: Sendable {
    /// The range to try; nil: every row is decided.
    private(set) var next: Range<Int>?
    /// Rows that were refused alone, in order.
    private(set) var found: [Int] = []
    /// Behind `next`, the nearest one last.
    private var rest: [Range<Int>] = []
    /// Is tried alone, because a hint named it: what stands in front of it is to be good.
    private var hinted: Int?
    /// A hint that was wrong once is not believed any more: else it could cost a try per row.
    private var believesHints = true

    init(count: Int) { next = count > 0 ? 0..<count : nil }

    mutating func good() {
        // That row was said to be the bad one.
        if let range = next, range.count == 1, range.lowerBound == hinted { believesHints = false }
        advance()
    }

    /// `hint`: the first bad row of the range, as far as the database said; what is outside of the
    /// range is no hint.
    mutating func bad(hint: Int? = nil) {
        guard let range = next else { return }
        // In front of the row that was said to be the first bad one.
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

    /// Where bad rows are dense, a long range is hardly ever good: then it is tried in pieces a few
    /// times as long as the way from one bad row to the next has been so far.
    private mutating func advance() {
        next = rest.popLast()
        guard let range = next, found.count >= Self.denseMin else { return }
        let (ways, overflow) = range.lowerBound.multipliedReportingOverflow(by: 4)
        let limit = max(Self.pieceMin, overflow ? Int.max : ways / found.count)
        guard range.count > limit else { return }
        next = range.lowerBound..<range.lowerBound + limit
        push(range.lowerBound + limit..<range.upperBound)
    }

    private static let denseMin = 4
    private static let pieceMin = 32
}
