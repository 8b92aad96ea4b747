import Primitives

/// How much of the database an audit reads.
enum AuditScope: Equatable, Sendable {
    /// Only the totals that the writers stored with each batch. This takes milliseconds, however
    /// many rows there are.
    case books
    /// The rows in [from, to) by event time, and the windows of bars within it.
    case range(from: Timestamp, to: Timestamp)
    /// Every row.
    case all

    static let day: Int64 = 86_400_000_000_000

    var name: String {
        switch self {
        case .books: "books"
        case .range: "range"
        case .all: "all"
        }
    }

    /// Returns whether a check that reads this belongs to the scope.
    func includes(_ reads: AuditScript.Reads) -> Bool {
        switch self {
        case .books: reads == .books
        case .range: reads != .all
        case .all: reads != .range
        }
    }
}

/// A stretch of time that one statement reads. A `nil` bound means that the stretch is unbounded
/// there.
struct AuditSlice: Equatable, Sendable {
    static let whole = AuditSlice(from: nil, to: nil)

    let from: Timestamp?
    let to: Timestamp?

    /// Returns the statement with the bounds of this slice in place of :'from', :'to' and the
    /// others.
    func fill(_ sql: String) -> String {
        sql.replacing(":'from'", with: quoted(from, by: 0, "-infinity"))
            .replacing(":'to'", with: quoted(to, by: 0, "infinity"))
            .replacing(":'before'", with: quoted(from, by: -AuditScope.day, "-infinity"))
            .replacing(":'after'", with: quoted(to, by: AuditScope.day, "infinity"))
    }

    private func quoted(_ time: Timestamp?, by distance: Int64, _ endless: String) -> String {
        "'\(time.map { $0.advanced(byNanoseconds: distance).description } ?? endless)'"
    }

    /// Cuts a range at UTC midnights, so that each statement stays within its limits. Two days stay
    /// one piece: a day that has just begun does not justify a statement.
    static func cut(from: Timestamp, to: Timestamp) -> [AuditSlice] {
        guard to.nanoseconds(since: from) > 2 * AuditScope.day else {
            return [AuditSlice(from: from, to: to)]
        }
        var slices: [AuditSlice] = []
        var start = from
        while start < to {
            let next = start.floored(toNanoseconds: AuditScope.day)
                .advanced(byNanoseconds: AuditScope.day)
            guard next > start else { break }
            slices.append(AuditSlice(from: start, to: min(next, to)))
            start = next
        }
        return slices
    }

    /// Merges overlapping bounds of partitions and chunks into slices. If two or fewer remain (a
    /// day and its neighbour), returns one slice over everything.
    static func merged(_ borders: [AuditSlice]) -> [AuditSlice] {
        var slices: [(from: Timestamp, to: Timestamp)] = []
        for border in borders {
            guard let from = border.from, let to = border.to else { return [.whole] }
            slices.append((from, to))
        }
        slices.sort { ($0.from, $0.to) < ($1.from, $1.to) }
        var merged: [(from: Timestamp, to: Timestamp)] = []
        for slice in slices {
            if let last = merged.last, slice.from < last.to {
                merged[merged.count - 1].to = max(last.to, slice.to)
            } else {
                merged.append(slice)
            }
        }
        guard merged.count > 2 else { return [.whole] }
        return merged.map { AuditSlice(from: $0.from, to: $0.to) }
    }
}
