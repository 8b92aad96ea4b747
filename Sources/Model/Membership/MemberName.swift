/// The name of one process in its group: a token of subjects, the same after a restart.
package struct MemberName: Hashable, Sendable, Comparable, CustomStringConvertible {
    package static let utf8CountMax = 64

    package let text: String

    /// Accepts `[A-Za-z0-9_-]{1,64}`; `nil` otherwise.
    package init?(_ text: String) {
        guard (1...Self.utf8CountMax).contains(text.utf8.count),
            text.utf8.allSatisfy(Self.isAllowed)
        else { return nil }
        self.text = text
    }

    /// Makes a name from a host's name: dots become dashes, and the end is cut when it is too long.
    /// `suffix` distinguishes several processes on one host.
    package init(host: String, suffix: String) {
        let end = suffix.utf8.filter(Self.isAllowed).suffix(Self.utf8CountMax - 2)
        let room = Self.utf8CountMax - end.count - 1
        var bytes = host.utf8.map { Self.isAllowed($0) ? $0 : UInt8(ascii: "-") }.prefix(room)
        if bytes.isEmpty { bytes = [UInt8(ascii: "h")] }
        bytes.append(UInt8(ascii: "-"))
        bytes.append(contentsOf: end)
        text = String(decoding: bytes, as: UTF8.self)
    }

    package var description: String { text }

    package static func < (left: MemberName, right: MemberName) -> Bool { left.text < right.text }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            return true
        default: return false
        }
    }
}
