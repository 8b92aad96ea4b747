extension StringProtocol {
    var trimmed: String {
        let start = drop { $0.isWhitespace }
        return String(start.reversed().drop { $0.isWhitespace }.reversed())
    }
}

extension Character {
    /// May it stand in a name of Swift?
    var isWordCharacter: Bool { isLetter || isNumber || self == "_" }
}
