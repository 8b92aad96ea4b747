/// A single value: the text as it was written. `NO`, `1e3` and `010` are ordinary texts. A reader
/// that wants a number or a Boolean asks for it.
package struct YAMLScalar: Hashable, Sendable {
    package let text: String
    package let isPlain: Bool
    /// The file contains the text unchanged, in one line. So the place of each of its characters
    /// follows from the scalar's place.
    package let isVerbatim: Bool

    /// True for `key:` without a value; `""` is a text.
    package var isEmpty: Bool { isPlain && text.isEmpty }

    /// The integer: decimal digits with at most one minus sign, and no leading zeros. A text that
    /// other readers treat as octal is no number here.
    package var integer: Int64? {
        let digits = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
        guard isPlain, !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }),
            digits.count == 1 || digits.first != UInt8(ascii: "0")
        else { return nil }
        return Int64(text)
    }

    /// The Boolean: `true` and `false` alone.
    package var boolean: Bool? {
        guard isPlain else { return nil }
        switch text {
        case "true": return true
        case "false": return false
        default: return nil
        }
    }

    /// The nanoseconds of a whole number and its unit: `250ms`, `5s`, `1h`.
    package var duration: Int64? { Self.duration(text) }

    package static func duration(_ text: String) -> Int64? {
        let digits = text.utf8.prefix { (0x30...0x39).contains($0) }
        guard !digits.isEmpty, digits.count <= 18, let number = Int64(String(digits) ?? ""),
            let unit = units.first(where: {
                $0.name.utf8.elementsEqual(text.utf8[digits.endIndex...])
            })
        else { return nil }
        let (nanoseconds, overflow) = number.multipliedReportingOverflow(by: unit.nanoseconds)
        return overflow ? nil : nanoseconds
    }

    /// The units, the longest first.
    package static let units: [(name: String, nanoseconds: Int64)] = [
        ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000),
        ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1),
    ]

    /// Returns the text in the longest unit that leaves a whole number.
    package static func text(ofDuration nanoseconds: Int64) -> String {
        guard nanoseconds != 0,
            let unit = units.first(where: { nanoseconds % $0.nanoseconds == 0 })
        else { return "0s" }
        return "\(nanoseconds / unit.nanoseconds)\(unit.name)"
    }
}
