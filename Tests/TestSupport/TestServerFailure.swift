package struct TestServerFailure: Error, CustomStringConvertible {
    package let description: String
}
