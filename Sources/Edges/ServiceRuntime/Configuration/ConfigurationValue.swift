/// A value that was checked against its kind.
enum ConfigurationValue: Equatable, Sendable {
    case text(String)
    case integer(Int)
    case real(Double)
    case flag(Bool)
    case duration(Duration)
    case list([String])
    case secret(Secret)
}

/// A text that is never printed: not by interpolation, `print`, `dump` or a debugger's description.
public struct Secret: Equatable, Sendable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    public static let redacted = "<redacted>"

    /// The text itself, for the one call that needs it.
    public let revealed: String

    public init(_ text: String) { revealed = text }

    public var description: String { Self.redacted }
    public var debugDescription: String { Self.redacted }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// The requirement on a value: "must be a whole number from 1 to 65535".
struct Expectation: Error, Equatable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
