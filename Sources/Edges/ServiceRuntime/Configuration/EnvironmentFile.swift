/// A file of `KEY=value` lines, as compose (`env_file`), Kubernetes and a shell read it.
///
/// Where those readers disagree most, the line is refused: a space in an unquoted value, a `$` that
/// others would expand, a backslash. Other characters that only a shell interprets (`&`, `;`, `|`)
/// are kept as they are.
package struct EnvironmentFile: Equatable, Sendable {
    package static let bytesMax = 262_144

    package struct Entry: Equatable, Sendable {
        package let name: String
        package let value: String
        /// Counted from 1.
        package let line: Int
    }

    package struct Problem: Equatable, Sendable {
        package let line: Int
        /// It never contains a value, because the line may be a secret's.
        package let text: String
    }

    /// The entries in the order of the file; of a duplicate name the first.
    package private(set) var entries: [Entry] = []
    package private(set) var problems: [Problem] = []

    package init(_ bytes: [UInt8]) {
        guard bytes.count <= Self.bytesMax else {
            problems = [Problem(line: 1, text: "larger than \(Self.bytesMax) bytes")]
            return
        }
        guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
            problems = [Problem(line: 1, text: "not a text in UTF-8")]
            return
        }
        let body = text.hasPrefix("\u{feff}") ? String(text.unicodeScalars.dropFirst()) : text
        var firstLines: [String: Int] = [:]
        for (index, line) in Self.lines(of: body).enumerated() {
            read(line, number: index + 1, &firstLines)
        }
    }

    /// Splits by scalars, because CR and LF together are one `Character`.
    static func lines(of text: String) -> [Substring] {
        text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map {
            var line = Substring($0)
            if line.unicodeScalars.last == "\r" { line.unicodeScalars.removeLast() }
            return line
        }
    }

    /// `[A-Za-z_][A-Za-z0-9_]*`
    static func isName(_ text: some StringProtocol) -> Bool {
        guard let first = text.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return text.utf8.allSatisfy {
            (0x61...0x7a).contains($0 | 0x20) || (0x30...0x39).contains($0) || $0 == 0x5f
        }
    }

    private mutating func read(
        _ line: Substring, number: Int, _ firstLines: inout [String: Int]
    ) {
        var rest = line.drop(while: Self.isBlank)
        guard let first = rest.first, first != "#" else { return }
        if rest.hasPrefix("export"), let next = rest.dropFirst(6).first, Self.isBlank(next) {
            rest = rest.dropFirst(6).drop(while: Self.isBlank)
        }
        guard let equals = rest.firstIndex(of: "=") else {
            problems.append(Problem(line: number, text: "not KEY=value"))
            return
        }
        let name = String(rest[..<equals])
        guard Self.isName(name) else {
            problems.append(
                Problem(line: number, text: "in front of = is no name of A-Z, 0-9 and _"))
            return
        }
        if let earlier = firstLines[name] {
            problems.append(
                Problem(
                    line: number, text: "\(name) is set for the second time, after line \(earlier)")
            )
            return
        }
        firstLines[name] = number
        switch EnvironmentValue.parse(rest[rest.index(after: equals)...]) {
        case .success(let value):
            entries.append(Entry(name: name, value: value, line: number))
        case .failure(let fault):
            problems.append(Problem(line: number, text: "\(name): \(fault.rawValue)"))
        }
    }

    fileprivate static func isBlank(_ character: Character) -> Bool {
        character == " " || character == "\t"
    }
}

/// The part of a line after the equals sign.
private enum EnvironmentValue {
    enum Fault: String, Error {
        case unterminated = "the quote does not end on this line"
        case trailing = "there is text behind the closing quote"
        case space = "a value with spaces needs quotes"
        case quoteInside = "a quote in the middle of a bare value: put all of it in quotes"
        case dollar = "a $ is not expanded here, but elsewhere: put the value in single quotes"
        case hash = "a value that begins with # needs quotes"
        case shell = "a backslash or backtick needs single quotes"
        case escape = "in double quotes only \\\\, \\\", \\$, \\n and \\t are known"
        case control = "control characters are not allowed"
    }

    static func parse(_ text: Substring) -> Result<String, Fault> {
        let result: Result<String, Fault> =
            switch text.first {
            case "'": single(text.dropFirst())
            case "\"": double(text.dropFirst())
            default: bare(text)
            }
        guard case .success(let value) = result else { return result }
        let isClean = value.unicodeScalars.allSatisfy {
            $0.properties.generalCategory != .control || $0 == "\n" || $0 == "\t"
        }
        return isClean ? result : .failure(.control)
    }

    private static func single(_ text: Substring) -> Result<String, Fault> {
        guard let end = text.firstIndex(of: "'") else { return .failure(.unterminated) }
        return closed(String(text[..<end]), before: text[text.index(after: end)...])
    }

    private static func double(_ text: Substring) -> Result<String, Fault> {
        var value = ""
        var rest = text
        while let character = rest.popFirst() {
            switch character {
            case "\"": return closed(value, before: rest)
            case "$": return .failure(.dollar)
            case "\\":
                guard let escaped = rest.popFirst() else { return .failure(.unterminated) }
                switch escaped {
                case "\\", "\"", "$": value.append(escaped)
                case "n": value.append("\n")
                case "t": value.append("\t")
                default: return .failure(.escape)
                }
            default: value.append(character)
            }
        }
        return .failure(.unterminated)
    }

    /// Checks the text after a closing quote: only a comment may follow.
    private static func closed(
        _ value: String, before rest: Substring
    ) -> Result<String, Fault> {
        let behind = rest.drop(while: EnvironmentFile.isBlank)
        guard let first = behind.first else { return .success(value) }
        return first == "#" && behind.count < rest.count ? .success(value) : .failure(.trailing)
    }

    /// Reads an unquoted value. It ends at a comment, which has a space before it: `a#b` is a
    /// value.
    private static func bare(_ text: Substring) -> Result<String, Fault> {
        var value = text
        if text.first == "#" { return .failure(.hash) }
        var previous: Character = "="
        for index in text.indices {
            if text[index] == "#", EnvironmentFile.isBlank(previous) {
                value = text[..<index]
                break
            }
            previous = text[index]
        }
        while let last = value.last, EnvironmentFile.isBlank(last) { value.removeLast() }
        // A shell treats the text after "KEY= " as a command. "KEY= # why" is empty.
        if value.contains(where: EnvironmentFile.isBlank) { return .failure(.space) }
        if value.contains(where: { $0 == "'" || $0 == "\"" }) { return .failure(.quoteInside) }
        if value.contains("$") { return .failure(.dollar) }
        if value.contains(where: { $0 == "\\" || $0 == "`" }) { return .failure(.shell) }
        return .success(String(value))
    }
}
