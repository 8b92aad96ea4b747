/// A setting that is valid by itself but wrong here. One line, for a person.
public struct SettingsError: Error, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
