public struct TestServerFailure: Error, CustomStringConvertible {
    public let description: String
}
