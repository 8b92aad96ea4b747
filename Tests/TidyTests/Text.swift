import Foundation

extension StringProtocol {
    var trimmed: String {
        let start = drop { $0.isWhitespace }
        return String(start.reversed().drop { $0.isWhitespace }.reversed())
    }
}

extension Array where Element == UInt8 {
    /// Returns whether the text occurs. Rules check a complete file with it before they check its
    /// lines.
    func contains(_ text: String) -> Bool {
        Data(self).range(of: Data(text.utf8)) != nil
    }
}

extension Character {
    /// True if the character may occur in a Swift name.
    var isWordCharacter: Bool { isLetter || isNumber || self == "_" }
}
