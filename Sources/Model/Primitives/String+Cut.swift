extension String {
    /// Returns as many complete characters as fit into so many bytes of UTF-8.
    package func cut(toUTF8 limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var bytes = 0
        return String(
            prefix { character in
                bytes += character.utf8.count
                return bytes <= limit
            })
    }
}
