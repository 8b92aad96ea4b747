extension String {
    /// Whether it can be the value of a header of HTTP as it is.
    package var isHeaderValue: Bool {
        !isEmpty && utf8.allSatisfy { (0x20...0x7e).contains($0) } && first != " " && last != " "
    }
}
