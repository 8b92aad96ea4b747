/// A span of time for people.
package enum SpanText {
    /// Returns the span like `of`, but with a tenth of a second below ten.
    package static func short(_ seconds: Double) -> String {
        seconds < 10 ? "\((max(0, seconds) * 10).rounded() / 10) s" : of(seconds)
    }

    /// Returns the span with its two largest units: "41 s", "2 h 10 min", "3 d 4 h".
    package static func of(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds < 1e11 else { return "more than 1000 years" }
        let whole = Int64(max(0, seconds.rounded()))
        let parts: [(unit: String, length: Int64)] = [("d", 86_400), ("h", 3_600), ("min", 60)]
        for (index, part) in parts.enumerated() where whole >= part.length {
            let count = whole / part.length
            let lower = index + 1 < parts.count ? parts[index + 1] : (unit: "s", length: 1)
            let rest = whole % part.length / lower.length
            return "\(count) \(part.unit)" + (rest > 0 ? " \(rest) \(lower.unit)" : "")
        }
        return "\(whole) s"
    }
}

/// A rate for people.
package enum RateText {
    /// Returns whole numbers with their thousands apart, and below ten a digit after the point.
    package static func of(_ perSecond: Double) -> String {
        guard perSecond >= 10 else { return "\((perSecond * 10).rounded() / 10)" }
        return CountText.of(UInt64(min(perSecond.rounded(), 1e15)))
    }
}

/// Counts for people.
package enum CountText {
    /// Returns a number with its thousands apart.
    package static func of(_ count: UInt64) -> String {
        let digits = Array("\(count)")
        return digits.indices.reduce(into: "") { text, index in
            if index > 0, (digits.count - index).isMultiple(of: 3) { text.append(",") }
            text.append(digits[index])
        }
    }
}
