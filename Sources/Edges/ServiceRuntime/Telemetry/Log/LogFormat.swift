/// How a line looks: JSON for machines, text for people.
public enum LogFormat: Equatable, Sendable {
    case json
    case text(color: Bool)

    /// What configuration calls the formats.
    public static let names = ["auto", "json", "text"]

    /// The format of a name: `auto` is text on a terminal and JSON everywhere else; colour only
    /// goes to a terminal. `nil`: no such format.
    public init?(named name: String, isTerminal: Bool) {
        switch name {
        case "auto": self = isTerminal ? .text(color: true) : .json
        case "json": self = .json
        case "text": self = .text(color: isTerminal)
        default: return nil
        }
    }
}
