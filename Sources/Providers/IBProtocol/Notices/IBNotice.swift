internal import Primitives

/// An error, a warning or information, about one request or the complete connection.
package struct IBNotice: Hashable, Sendable {
    /// The request number of notices about the complete connection.
    package static let wholeConnection: Int32 = -1

    /// The number of the request that it is about, or `wholeConnection`.
    package var request: Int32
    /// The vendor's code (`NoticeCode`).
    package var code: Int32
    package var text: String
    /// JSON; only for refused orders.
    package var detail = ""

    package init(request: Int32, code: Int32, text: String) {
        self.request = request
        self.code = code
        self.text = text
    }

    package var isAboutConnection: Bool { request == Self.wholeConnection }

    /// It informs about the whole platform, whatever request it carries: no request fails by it.
    package var isWarning: Bool { (2_100..<2_200).contains(code) }

    /// For people: the vendor's words, and what they can do.
    package var reason: String {
        let advice = meaning.advice
        guard !advice.isEmpty else { return "\(text) (\(code))" }
        // So that a reason has room for both.
        return "\(text.cut(toUTF8: 160)) (\(code)): \(advice)"
    }

    package var meaning: NoticeMeaning { NoticeMeaning(code: code, text: text) }

    /// The farms that are still down according to a notice that the connection is restored:
    /// `... The following farms are not connected: usfuture; ushmds.`
    package var farmsNotConnected: [(DataFarm, String)] {
        guard case .connectionRestored = meaning,
            let names = Self.text(behind: "not connected:", in: text)
        else { return [] }
        return names.split(whereSeparator: { $0 == ";" || $0 == "," }).compactMap { part in
            let name = part.split(separator: " ").joined(separator: " ")
            return name.isEmpty ? nil : (DataFarm(name: name), name)
        }
    }

    /// Returns the text up to the end of the sentence; names may contain dots.
    private static func text(behind words: String, in text: String) -> Substring? {
        let lowered = Array(text.utf8).map { $0 | 0x20 }
        let wanted = Array(words.utf8).map { $0 | 0x20 }
        let starts = 0...max(0, lowered.count - wanted.count)
        guard let start = starts.first(where: { lowered[$0...].starts(with: wanted) }) else {
            return nil
        }
        var names = text.utf8.dropFirst(start + wanted.count)
        var end = names.startIndex
        while end < names.endIndex {
            let next = names.index(after: end)
            let isStop = names[end] == UInt8(ascii: ".")
            if isStop, next == names.endIndex || names[next] == UInt8(ascii: " ") { break }
            end = next
        }
        names = names[..<end]
        return Substring(names)
    }
}
