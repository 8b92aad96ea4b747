/// The format of a line: JSON for machines, text for people.
public enum LogFormat: Equatable, Sendable {
    case json
    case text(color: Bool)

    /// The formats' names in the configuration.
    public static let names = ["auto", "json", "text"]

    /// Reads the name of a format: `auto` is text on a terminal and JSON everywhere else; colour is
    /// used on a terminal only. Fails when there is no such format.
    public init?(named name: String, isTerminal: Bool) {
        switch name {
        case "auto": self = isTerminal ? .text(color: true) : .json
        case "json": self = .json
        case "text": self = .text(color: isTerminal)
        default: return nil
        }
    }
}
