extension RandomAccessCollection where Index == Int {
    /// Returns the first index whose element fulfils `isBehind`. It must be true for all later
    /// elements too, because the search is binary.
    func partitioningIndex(where isBehind: (Element) -> Bool) -> Int {
        var low = startIndex
        var high = endIndex
        while low < high {
            let middle = low + (high - low) / 2
            if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
