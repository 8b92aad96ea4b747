/// The names of the tape's enumerations, as the tables have them: `gatewayLost` is gateway_lost.
public enum EnumerationName {
    /// Returns the name of a raw number; its digits, if this version does not know the number.
    public static func of<Kind: RawRepresentable>(
        _ type: Kind.Type, _ raw: UInt8
    ) -> String where Kind.RawValue == UInt8 {
        guard let kind = Kind(rawValue: raw) else { return String(raw) }
        return "\(kind)".reduce(into: "") { text, character in
            if character.isUppercase { text.append("_") }
            text.append(contentsOf: character.lowercased())
        }
    }
}
