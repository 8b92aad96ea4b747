/// A setting that is valid by itself and makes no sense here. One line, for the person.
public struct SettingsError: Error, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
