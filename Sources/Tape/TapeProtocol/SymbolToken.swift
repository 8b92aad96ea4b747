package import MarketModel

/// Encodes a symbol as one token of a subject: percent-encoded as in a URL, including the dot.
///
/// ASCII letters, digits, `-`, `_` and `~` stay unchanged; every other byte of the symbol's UTF-8
/// becomes `%` and two hexadecimal digits. In Python it is
/// `urllib.parse.quote(symbol, safe="").replace(".", "%2E")`, and back `urllib.parse.unquote`.
package enum SymbolToken {
    /// Returns the token of a symbol.
    package static func encode(_ symbol: Symbol) -> String { encode(text: symbol.text) }

    /// Encodes a name of another kind in the same way.
    static func encode(text: some StringProtocol) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            if isPlain(byte) {
                bytes.append(byte)
            } else {
                bytes.append(UInt8(ascii: "%"))
                bytes.append(digit(byte >> 4))
                bytes.append(digit(byte & 15))
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Returns the symbol; `nil` when `encode` does not make the token from any symbol, so that two
    /// tokens never mean the same symbol. Digits may be of either case, as some libraries write
    /// them.
    package static func decode(_ token: some StringProtocol) -> Symbol? {
        var bytes: [UInt8] = []
        var rest = Substring(token).utf8
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                guard isPlain(byte) else { return nil }
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(value),
                let low = rest.popFirst().flatMap(value)
            else { return nil }
            let byte = high << 4 | low
            guard !isPlain(byte) else { return nil }
            bytes.append(byte)
        }
        return String(validating: bytes, as: UTF8.self).flatMap { Symbol($0) }
    }

    /// Returns whether the byte stays unchanged in a token.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            return true
        default: return false
        }
    }

    private static func digit(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "A") + nibble - 10
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
