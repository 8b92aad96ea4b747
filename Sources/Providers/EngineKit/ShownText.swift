extension String {
    /// Returns the text of a service in one short line without control characters.
    package func shownOnLine(_ charactersMax: Int) -> String {
        String(unicodeScalars.prefix(charactersMax).map { $0.value < 0x20 ? " " : Character($0) })
    }
}
