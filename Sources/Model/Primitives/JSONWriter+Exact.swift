// Values whose digits must survive any reader. Decimals are written as text, because most languages
// read a JSON number as a `Double`.
extension JSONWriter {
    /// Writes value × 10^-decimals.
    public mutating func member(_ name: String, decimal value: Int64, decimals: Int) {
        key(name)
        quotes { $0.append(decimal: value, decimals: decimals) }
    }

    public mutating func member(_ name: String, decimal value: Int128, decimals: Int) {
        member(name, FixedPoint.text(value, decimals: decimals))
    }

    /// Writes the time as text, and under `<name>_ns` in nanoseconds since 1970 UTC.
    public mutating func member(_ name: String, time: Timestamp) {
        key(name)
        quotes { $0.append(time: time) }
        key(name, suffix: "_ns")
        comma()
        bytes.append(digitsOf: time.nanoseconds)
    }

    /// Writes quotes around `body`, which must write text that needs no escape.
    private mutating func quotes(_ body: (inout [UInt8]) -> Void) {
        comma()
        bytes.append(UInt8(ascii: "\""))
        body(&bytes)
        bytes.append(UInt8(ascii: "\""))
    }
}
