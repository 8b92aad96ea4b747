/// The syntax of the Prometheus text format 0.0.4.
enum MetricText {
    static let totalSuffix = "_total"

    /// Accepts `[a-zA-Z_:][a-zA-Z0-9_:]*`.
    static func isMetricName(_ name: String) -> Bool {
        isName(name.utf8) { $0 == UInt8(ascii: ":") }
    }

    /// Accepts `[a-zA-Z_][a-zA-Z0-9_]*`, except Prometheus' own `__...`.
    static func isLabelName(_ name: String) -> Bool {
        isName(name.utf8) { _ in false } && !name.hasPrefix("__")
    }

    private static func isName(_ bytes: String.UTF8View, _ extra: (UInt8) -> Bool) -> Bool {
        guard let first = bytes.first, !isDigit(first) else { return false }
        return bytes.allSatisfy { byte in
            isDigit(byte) || byte == UInt8(ascii: "_") || extra(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    /// Returns `{a="1",b="2"}`, or nothing.
    static func labels(_ labels: [(String, String)]) -> String {
        guard !labels.isEmpty else { return "" }
        return "{" + labels.map { "\($0)=\"\(escaped($1, quotes: true))\"" }.joined(separator: ",")
            + "}"
    }

    /// Escapes the backslash and the newline, for help texts; and the quote, for label values.
    static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Returns a bucket's bound as OpenMetrics writes it, so that its label is the same in both
    /// formats: with a decimal point, and in powers of ten from a million on.
    static func bound(_ value: Double) -> String {
        let text = "\(value)"
        guard value >= 1_000_000, let point = text.firstIndex(of: "."), !text.contains("e") else {
            return text
        }
        let exponent = text.distance(from: text.startIndex, to: point) - 1
        var digits = text.filter { $0 != "." }
        while digits.count > 1, digits.last == "0" { digits.removeLast() }
        let first = digits.removeFirst()
        let mantissa = digits.isEmpty ? "\(first)" : "\(first).\(digits)"
        return "\(mantissa)e+\(exponent < 10 ? "0" : "")\(exponent)"
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        // Whole numbers are written without ".0" up to 2^53. Beyond it a Double cannot hold every
        // whole number.
        if value == value.rounded(), value.magnitude < 9_007_199_254_740_992 {
            return String(Int64(value))
        }
        return "\(value)"
    }
}
