import Foundation

/// The lines that a README shows as output. In a line, `…` is any text. A line `...` is any lines.
/// Rows of blanks count as one, so that a table need not be drawn to the column.
struct PrintedText {
    private let lines: [String]

    init(_ lines: [String]) { self.lines = lines.map(Self.squeezed) }

    /// Returns the first line that the output lacks; `nil`: it has all of them, in this order.
    func difference(from output: [String]) -> String? {
        let found = output.map(Self.squeezed)
        var next = 0
        var mayPass = false
        for line in lines {
            if line == "..." {
                mayPass = true
                continue
            }
            guard
                let place = found[next...].firstIndex(where: { Self.matches($0, line) }),
                mayPass || place == next
            else { return "no line '\(line)' where it was expected" }
            next = place + 1
            mayPass = false
        }
        let isAtEnd = mayPass || found[next...].allSatisfy(\.isEmpty)
        return isAtEnd ? nil : "more lines than expected: '\(found[next])'"
    }

    private static func squeezed(_ line: String) -> String {
        line.split { $0 == " " || $0 == "\t" }.joined(separator: " ")
    }

    private static func matches(_ line: String, _ pattern: String) -> Bool {
        let pieces = pattern.components(separatedBy: "…")
        guard pieces.count > 1 else { return line == pattern }
        guard line.hasPrefix(pieces[0]) else { return false }
        var rest = line.dropFirst(pieces[0].count)
        for piece in pieces.dropFirst().dropLast() where !piece.isEmpty {
            guard let place = rest.firstRange(of: piece) else { return false }
            rest = rest[place.upperBound...]
        }
        return rest.hasSuffix(pieces[pieces.count - 1])
    }
}
