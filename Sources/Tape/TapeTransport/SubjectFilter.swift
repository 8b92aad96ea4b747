internal import Primitives

/// A filter of subjects, as the server applies it: `*` stands for one token, `>` at the end for one
/// or more.
struct SubjectFilter: Sendable {
    private let pattern: [UInt8]

    init(_ text: String) { pattern = Array(text.utf8) }

    func passes(_ subject: RawSpan) -> Bool {
        let dot = UInt8(ascii: ".")
        var place = 0
        for byte in pattern {
            guard place < subject.byteCount else { return false }
            if byte == UInt8(ascii: ">") { return true }
            if byte == UInt8(ascii: "*") {
                while place < subject.byteCount, subject.uint8(at: place) != dot { place += 1 }
            } else {
                guard subject.uint8(at: place) == byte else { return false }
                place += 1
            }
        }
        return place == subject.byteCount
    }
}
