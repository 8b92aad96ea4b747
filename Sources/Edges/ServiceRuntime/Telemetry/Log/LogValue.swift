/// One field of a log line. Numbers stay numbers in JSON.
public enum LogValue: Equatable, Sendable {
    case text(String)
    case integer(Int64)
    case unsigned(UInt64)
    /// NaN and the infinities, which JSON does not have, become `null`.
    case real(Double)
    case flag(Bool)

    public init(_ text: String) { self = .text(text) }
    public init(_ flag: Bool) { self = .flag(flag) }
    public init(_ number: Double) { self = .real(number) }

    /// Any integer. One beyond 64 bits is written as text, so that no digit is lost.
    public init(_ number: some BinaryInteger) {
        if let exact = Int64(exactly: number) {
            self = .integer(exact)
        } else if let exact = UInt64(exactly: number) {
            self = .unsigned(exact)
        } else {
            self = .text(String(number))
        }
    }

    /// A duration in seconds, the unit of fields named `..._seconds`.
    public init(seconds duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = .real(Double(seconds) + Double(attoseconds) / 1e18)
    }
}

extension LogValue: ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
    public init(stringLiteral value: String) { self = .text(value) }
}

extension LogValue: ExpressibleByIntegerLiteral {
    public init(integerLiteral value: Int64) { self = .integer(value) }
}

extension LogValue: ExpressibleByFloatLiteral {
    public init(floatLiteral value: Double) { self = .real(value) }
}

extension LogValue: ExpressibleByBooleanLiteral {
    public init(booleanLiteral value: Bool) { self = .flag(value) }
}
