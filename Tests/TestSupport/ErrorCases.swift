/// What tests ask of an error that is an enum.
extension Error {
    /// The name of its case.
    package var caseName: String? { Mirror(reflecting: self).children.first?.label }

    /// Our own deadline, where that has passed.
    package var deadline: Duration? {
        Mirror(reflecting: self).descendant("timeout", "after") as? Duration
    }
}

extension Optional where Wrapped: Error {
    /// What it says; empty if there was none.
    package var text: String { map { "\($0)" } ?? "" }
}
