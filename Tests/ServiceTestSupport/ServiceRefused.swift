/// A service under test, its configuration or what it needs beside it was refused.
public struct ServiceRefused: Error, CustomStringConvertible {
    public let description: String

    public init(description: String) { self.description = description }
}
