import DeadLetters
import TapeTransport

/// The command that replays letters, for a person to copy. The cockpit itself changes nothing.
/// Pure.
enum ReplayCommand {
    static func all(in stack: String) -> String {
        "tapeline dlq replay --all\(TapeCommand.option(of: stack))"
    }

    /// Added to a command that is to change nothing.
    static let dry = "--dry-run"

    /// Returns the command for the letters of a reason and a table. `nil` where no replay makes a
    /// row, and where a text that came from outside is no plain word.
    static func of(_ kind: LetterGroup.Kind, in stack: String = "") -> String? {
        switch kind.reason {
        case .undecodable, .future: return nil
        case .data, .outOfRange: break
        }
        guard !kind.sink.isEmpty, isPlain(kind.sink) else { return nil }
        return "tapeline dlq replay --reason \(kind.reason.rawValue) --sink \(kind.sink)"
            + TapeCommand.option(of: stack)
    }

    /// A shell does nothing with such a text, and no option begins so.
    private static func isPlain(_ text: String) -> Bool {
        text.utf8.first != UInt8(ascii: "-")
            && text.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte)
                    || (0x61...0x7a).contains(byte) || byte == UInt8(ascii: "_")
                    || byte == UInt8(ascii: "-")
            }
    }
}
