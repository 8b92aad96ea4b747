/// Finds the known name that was probably meant by a mistyped one.
public enum NearestName {
    /// Returns the nearest of `names`, if it is near enough to be suggested: one typing mistake per
    /// four letters, at most three. The same name is none: it was meant.
    public static func of(_ wrong: String, in names: some Sequence<String>) -> String? {
        let limit = min(3, max(1, wrong.count / 4))
        let letters = Array(wrong.uppercased())
        var best: (name: String, distance: Int)?
        for name in names.sorted() where name != wrong {
            let distance = distance(letters, Array(name.uppercased()), limit: limit)
            if distance <= limit, distance < best?.distance ?? Int.max { best = (name, distance) }
        }
        return best?.name
    }

    /// Returns the number of insertions, deletions, replacements and swapped neighbours. Every
    /// distance above `limit` is returned as `limit + 1`.
    public static func distance(_ left: [Character], _ right: [Character], limit: Int) -> Int {
        guard abs(left.count - right.count) <= limit else { return limit + 1 }
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for (row, letter) in left.enumerated() {
            var current = [row + 1]
            for (column, other) in right.enumerated() {
                var cost = min(
                    last[column + 1] + 1, current[column] + 1,
                    last[column] + (letter == other ? 0 : 1))
                if row > 0, column > 0, letter == right[column - 1], left[row - 1] == other {
                    cost = min(cost, beforeLast[column - 1] + 1)
                }
                current.append(cost)
            }
            beforeLast = last
            last = current
        }
        return min(last[right.count], limit + 1)
    }
}
