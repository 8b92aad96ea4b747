import Foundation

extension StringProtocol {
    var trimmed: String {
        let start = drop { $0.isWhitespace }
        return String(start.reversed().drop { $0.isWhitespace }.reversed())
    }
}

extension Array where Element == UInt8 {
    /// Is the text in it? Rules ask this of a whole file before they look at its lines.
    func contains(_ text: String) -> Bool {
        Data(self).range(of: Data(text.utf8)) != nil
    }
}

extension Character {
    /// May it stand in a name of Swift?
    var isWordCharacter: Bool { isLetter || isNumber || self == "_" }
}
