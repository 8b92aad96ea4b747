package import Primitives

/// Ranges of ordinals that ascend, as lengths by turns: in the first range, between it and the
/// second one, in the second one ... So thousands of ranges are a short text.
package enum OrdinalRuns {
    /// The ranges do not overlap.
    package static func lengths(of ranges: [ClosedRange<UInt64>]) -> [UInt64] {
        var lengths: [UInt64] = []
        var end: UInt64?
        for range in ranges {
            if let end { lengths.append(range.lowerBound - end - 1) }
            lengths.append(range.upperBound - range.lowerBound + 1)
            end = range.upperBound
        }
        return lengths
    }

    /// Returns the ranges of which the first one begins at an ordinal; `nil`: there are none such.
    package static func ranges(
        from first: UInt64, lengths: [UInt64]
    ) -> [ClosedRange<UInt64>]? {
        guard lengths.count % 2 == 1 else { return nil }
        var ranges: [ClosedRange<UInt64>] = []
        var next = first
        for (index, length) in lengths.enumerated() {
            let (end, overflow) = next.addingReportingOverflow(length)
            guard !overflow, index % 2 == 1 || length > 0 else { return nil }
            if index % 2 == 0 { ranges.append(next...(end - 1)) }
            next = end
        }
        return ranges
    }

    /// Reads what `json` has under `first_ordinal` and `lengths`.
    package static func ranges(in json: JSONValue) -> [ClosedRange<UInt64>]? {
        guard let first = json["first_ordinal"]?.uint64, let found = json["lengths"]?.array else {
            return nil
        }
        let lengths = found.compactMap(\.uint64)
        return lengths.count == found.count ? ranges(from: first, lengths: lengths) : nil
    }
}
