extension ServerError {
    /// Reads the server's message about a failed start-up from libpq's text, for instance
    /// `connection to server at "db" (10.0.0.7), port 5432 failed: FATAL:  28P01: password …`. The
    /// shape is libpq's own and the same in every language: severity, colon, two blanks, code,
    /// colon, blank. Fails when no server answered.
    init?(startupMessage text: String) {
        var found: ServerError?
        // Several addresses may have been tried; the last server's message counts.
        for line in text.split(whereSeparator: \.isNewline) {
            found = ServerError(startupLine: line) ?? found
        }
        guard let found else { return nil }
        self = found
    }

    private init?(startupLine line: Substring) {
        let bytes = Array(line.utf8)
        guard bytes.count > 9 else { return nil }
        for start in 1..<(bytes.count - 8) where Self.isCode(bytes, at: start) {
            let code = String(decoding: bytes[(start + 2)..<(start + 7)], as: UTF8.self)
            let message = String(decoding: bytes[(start + 9)...], as: UTF8.self)
            self.init(sqlState: SQLState(rawValue: code), severity: "FATAL", message: message)
            return
        }
        return nil
    }

    /// Returns whether `␣␣XXXXX:␣` follows a colon.
    private static func isCode(_ bytes: [UInt8], at start: Int) -> Bool {
        bytes[start - 1] == UInt8(ascii: ":") && bytes[start] == 0x20 && bytes[start + 1] == 0x20
            && bytes[(start + 2)..<(start + 7)].allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5a).contains($0)
            }
            && bytes[start + 7] == UInt8(ascii: ":") && bytes[start + 8] == 0x20
    }
}
