/// The configuration of a service under test was refused, or its thread threw.
public struct ServiceRefused: Error, CustomStringConvertible {
    public let description: String
}
