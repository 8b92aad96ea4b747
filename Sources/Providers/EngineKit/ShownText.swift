extension String {
    /// Returns the text of a service in one short line without control characters.
    package func shownOnLine(_ charactersMax: Int) -> String {
        String(
            unicodeScalars.prefix(charactersMax).map { scalar in
                scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value)
                    ? " " : Character(scalar)
            })
    }
}
