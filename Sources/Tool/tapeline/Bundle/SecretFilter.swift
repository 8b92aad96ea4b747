/// Takes secrets out of text: values that are known, and those that their place gives away. Pure.
struct SecretFilter: Sendable {
    static let mark = Array("[secret]".utf8)
    /// Shorter values are too common in text to be taken out everywhere. They are still taken out
    /// after a name such as `password=`.
    static let knownBytesMin = 3
    /// Names of values that are secret, in lower case.
    private static let words = [
        "password", "passwd", "passphrase", "secret", "token", "credential", "apikey", "api_key",
        "api-key", "access_key", "access-key", "private_key", "private-key", "authorization",
    ].map { Array($0.utf8) }
    /// The value after this name has several words.
    private static let header = Array("authorization".utf8)

    /// The known values by their first byte, the longest first, so that a value that begins another
    /// one leaves no rest of it.
    private let known: [[[UInt8]]]

    init(_ values: some Sequence<String>) {
        var all: Set<[UInt8]> = []
        for value in values where value.utf8.count >= Self.knownBytesMin {
            for form in [value, Self.percentEncoded(value), Self.escaped(value)] {
                all.insert(Array(form.utf8))
            }
        }
        var byFirst = [[[UInt8]]](repeating: [], count: 256)
        for value in all { byFirst[Int(value[0])].append(value) }
        known = byFirst.map { $0.sorted { $0.count > $1.count } }
    }

    /// True if a variable or setting of this name holds a secret. One that names a file does not.
    static func isSecret(_ name: String) -> Bool {
        let lower = Array(name.lowercased().utf8)
        guard !lower.suffix(5).elementsEqual("_file".utf8) else { return false }
        return words.contains { lower.firstRange(of: $0) != nil }
    }

    func cleaned(_ text: [UInt8]) -> [UInt8] {
        let clean = withoutKnown(text)
        let lines = clean.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        var isKey = false
        var result: [UInt8] = []
        result.reserveCapacity(clean.count)
        for (index, line) in lines.enumerated() {
            let isInside = isKey && !Self.contains("PRIVATE KEY-----", line)
            if index > 0, !isInside { result.append(UInt8(ascii: "\n")) }
            // The lines of a private key have no name.
            if Self.contains("PRIVATE KEY-----", line) {
                let begin = Self.last("-----BEGIN", line)
                let end = Self.last("-----END", line)
                // The beginning of the key was cut off: all before its end may be the key.
                if begin == nil, end != nil, !isKey { result.removeAll(keepingCapacity: true) }
                isKey = begin.map { $0 > end ?? Int.min } ?? false
                result += Self.mark
            } else if !isKey {
                result += Self.cleanedLine(Array(line))
            }
        }
        return result
    }

    // MARK: forms

    private static func percentEncoded(_ text: String) -> String {
        text.utf8.map { byte in
            let isPlain =
                (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte)
                || (0x61...0x7a).contains(byte) || "-._~".utf8.contains(byte)
            let digits = String(byte, radix: 16, uppercase: true)
            return isPlain
                ? String(UnicodeScalar(byte)) : "%" + (digits.count < 2 ? "0" : "") + digits
        }.joined()
    }

    /// Returns the text as JSON writes it.
    private static func escaped(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
    }

    private func withoutKnown(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            let value = known[Int(text[index])].first { value in
                index + value.count <= text.count
                    && text[index..<index + value.count].elementsEqual(value)
            }
            if let value {
                result += Self.mark
                index += value.count
            } else {
                result.append(text[index])
                index += 1
            }
        }
        return result
    }

    private static func contains(_ text: String, _ line: ArraySlice<UInt8>) -> Bool {
        line.firstRange(of: Array(text.utf8)) != nil
    }

    private static func last(_ text: String, _ line: ArraySlice<UInt8>) -> Int? {
        line.ranges(of: Array(text.utf8)).last?.lowerBound
    }

    /// Returns the end of a text without its first line, which may be only the rest of one.
    static func withoutFirstLine(_ text: [UInt8]) -> [UInt8] {
        guard let end = text.firstIndex(of: UInt8(ascii: "\n")) else { return [] }
        return Array(text[(end + 1)...])
    }

    // MARK: places

    private static func cleanedLine(_ line: [UInt8]) -> [UInt8] {
        withoutNamedValues(withoutUsers(line))
    }

    /// Takes the user and password out of URLs.
    private static func withoutUsers(_ line: [UInt8]) -> [UInt8] {
        let start = Array("://".utf8)
        var result: [UInt8] = []
        var index = 0
        while let found = line[index...].firstRange(of: start) {
            result += line[index..<found.upperBound]
            index = found.upperBound
            let authority = line[index...].prefix { !" \t\"'/,<>".utf8.contains($0) }
            if let at = authority.lastIndex(of: UInt8(ascii: "@")) {
                result += mark
                index = at
            }
        }
        return result + line[index...]
    }

    /// Takes out what comes after a name of a secret and a colon or an equals sign.
    private static func withoutNamedValues(_ line: [UInt8]) -> [UInt8] {
        let lower = line.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
        var result: [UInt8] = []
        var index = 0
        while let found = name(in: lower, from: index) {
            guard let value = value(in: line, lower, after: found) else {
                result += line[index..<found.upperBound]
                index = found.upperBound
                continue
            }
            result += line[index..<value.lowerBound]
            if !value.isEmpty { result += mark }
            index = value.upperBound
        }
        return result + line[index...]
    }

    private static func name(in lower: [UInt8], from start: Int) -> Range<Int>? {
        for index in start..<max(start, lower.count) where firsts[Int(lower[index])] {
            for word in words
            where lower[index] == word[0] && lower[index...].starts(with: word) {
                return index..<index + word.count
            }
        }
        return nil
    }

    private static let firsts: [Bool] = (UInt8.min...UInt8.max).map { byte in
        words.contains { $0[0] == byte }
    }

    /// Returns the place of the value that a name is given, `nil` if it is given none.
    private static func value(
        in line: [UInt8], _ lower: [UInt8], after name: Range<Int>
    ) -> Range<Int>? {
        let rest = lower[name.upperBound...].prefix {
            (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || "_-".utf8.contains($0)
        }
        // This is a path. What the file holds is not here.
        guard !rest.suffix(5).elementsEqual("_file".utf8) else { return nil }
        var index = rest.endIndex
        while index < line.count, " \t\"'\\".utf8.contains(line[index]) { index += 1 }
        guard index < line.count, ":=".utf8.contains(line[index]) else { return nil }
        index += 1
        while index < line.count, " \t".utf8.contains(line[index]) { index += 1 }
        guard index < line.count else { return index..<index }
        let isHeader = lower[name].elementsEqual(header)
        if isHeader, !"\"'".utf8.contains(line[index]) { return index..<line.count }
        if line[index...].starts(with: mark) { return index..<index + mark.count }
        let quote = line[index]
        if "\"'".utf8.contains(quote) {
            let start = index + 1
            var end = start
            while end < line.count, line[end] != quote {
                end += line[end] == UInt8(ascii: "\\") ? 2 : 1
            }
            return start..<min(end, line.count)
        }
        let end = line[index...].firstIndex { " \t,;}])&\r".utf8.contains($0) } ?? line.count
        return index..<end
    }
}
