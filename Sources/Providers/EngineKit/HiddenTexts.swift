package import Primitives

/// Texts that are taken out of what a service says: it may send back the key that it was given, as
/// it came or in the forms of addresses, headers and JSON. No description shows them.
package struct HiddenTexts: Sendable, CustomStringConvertible, CustomReflectable {
    private static let mark = "…"
    /// The longest forms come first, because they may contain shorter ones.
    private let forms: [String]
    /// Those that may have successors, and the values of the forms.
    private let renewable: [(secret: RenewableSecret, known: String)]

    /// `renewable` are those of `texts` that may have successors, which are hidden, too.
    package init(_ texts: [String] = [], renewable: [RenewableSecret] = []) {
        self.renewable = renewable.map { ($0, $0.value) }
        forms = Self.sorted((texts + renewable.map(\.value)).flatMap(Self.forms))
    }

    package var description: String { Self.mark }
    package var customMirror: Mirror { Mirror(self, children: []) }

    /// Returns a text without them.
    package func taken(outOf said: String) -> String {
        let new = renewable.filter { $0.secret.value != $0.known }
        let forms =
            new.isEmpty
            ? forms : Self.sorted(forms + new.flatMap { Self.forms(of: $0.secret.value) })
        return forms.reduce(said) { $0.replacing($1, with: Self.mark) }
    }

    /// Returns one printable line without them, cut to so many characters. A part of a key is one,
    /// too, so it is cut afterwards.
    package func line(_ said: String, _ charactersMax: Int) -> String {
        taken(outOf: said).shownOnLine(charactersMax)
    }

    private static func sorted(_ forms: [String]) -> [String] {
        Set(forms).sorted { ($1.utf8.count, $0) < ($0.utf8.count, $1) }
    }

    private static func forms(of text: String) -> [String] {
        guard !text.isEmpty else { return [] }
        var json = JSONWriter()
        json.value(text)
        let escaped = String(decoding: json.bytes.dropFirst().dropLast(), as: UTF8.self)
        return [text, escaped, escaped.replacing("/", with: "\\/")]
            + [true, false].map { text.percentEncoded(isUpper: $0) } + base64(text)
    }

    /// Shorter parts of base64 would hide words that are no secret.
    private static let partMin = 6

    /// What base64 makes of the text wherever it begins in three bytes: the digits that follow from
    /// it alone.
    private static func base64(_ text: String) -> [String] {
        (0..<3).flatMap { before -> [String] in
            let bytes = [UInt8](repeating: 0, count: before) + Array(text.utf8)
            let first = (before * 8 + 5) / 6
            let digits = Base64.encode(bytes).utf8.prefix(bytes.count * 8 / 6).dropFirst(first)
            let part = String(decoding: Array(digits), as: UTF8.self)
            guard part.utf8.count >= partMin else { return [] }
            let ofAddresses = part.replacing("+", with: "-").replacing("/", with: "_")
            return [part, ofAddresses]
        }
    }
}

extension String {
    /// Every byte but letters, digits and `-._~` is encoded, as RFC 3986 has it.
    package func percentEncoded(isUpper: Bool = true) -> String {
        utf8.map { byte in
            let scalar = Unicode.Scalar(byte)
            let isDigit = (0x30...0x39).contains(byte)
            let isPlain = scalar.isASCII && (scalar.properties.isAlphabetic || isDigit)
            if isPlain || "-._~".utf8.contains(byte) { return String(scalar) }
            let code = String(byte, radix: 16, uppercase: isUpper)
            return "%" + (code.count < 2 ? "0" : "") + code
        }.joined()
    }
}
