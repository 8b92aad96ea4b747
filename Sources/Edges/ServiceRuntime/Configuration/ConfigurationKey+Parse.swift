extension ConfigurationKey.Kind {
    /// The most items of a list.
    static let listCountMax = 256
    /// One above the highest number of a partition.
    static let partitionsMax = 4_096

    func parse(_ text: String) -> Result<ConfigurationValue, Expectation> {
        guard text.utf8.count <= ConfigurationKey.valueBytesMax else {
            return .failure(
                Expectation("must be at most \(ConfigurationKey.valueBytesMax) bytes long"))
        }
        guard let value = parsed(text) else { return .failure(expectation) }
        return .success(value)
    }

    private func parsed(_ text: String) -> ConfigurationValue? {
        switch self {
        case .text: return Self.isOneLine(text) ? .text(text) : nil
        case .name(let bytesMax, let also):
            return Self.isName(text, bytesMax, also) ? .text(text) : nil
        case .integer(let range): return Self.within(range, Int(text)).map { .integer($0) }
        case .real(let range): return Self.within(range, Double(text)).map { .real($0) }
        case .flag: return Self.flag(text).map { .flag($0) }
        case .duration(let range):
            return Self.within(range, DurationText.parse(text)).map { .duration($0) }
        case .durationOr(let words, let range):
            if words.contains(text) { return .text(text) }
            return Self.within(range, DurationText.parse(text)).map { .duration($0) }
        case .byteCount(let range):
            return Self.within(range, ByteCountText.parse(text)).map { .integer($0) }
        case .choice(let options): return options.contains(text) ? .text(text) : nil
        case .list: return Self.items(text).map { .list($0) }
        case .url(let schemes): return Self.isURL(text, schemes) ? .text(text) : nil
        case .urls(let schemes):
            guard let items = Self.items(text), items.allSatisfy({ Self.isURL($0, schemes) })
            else { return nil }
            return .list(items)
        }
    }

    /// The requirement on a value: the end of a problem's sentence.
    var expectation: Expectation {
        switch self {
        case .text: Expectation("must be one line of text without control characters")
        case .name(let bytesMax, let also):
            Expectation(
                "must be 1 to \(bytesMax) characters out of a-z, 0-9\(Self.listed(also)), "
                    + "and begin with a letter or a digit")
        case .integer: Expectation("must be a whole number from \(range ?? "")")
        case .real: Expectation("must be a number from \(range ?? "")")
        case .flag: Expectation("must be true or false")
        case .duration:
            Expectation("must be a duration with its unit (250ms, 5s, 2m, 1h) from \(range ?? "")")
        case .durationOr(let words, _):
            Expectation(
                "must be \(words.joined(separator: ", ")) or a duration with its unit (250ms, 5s) "
                    + "from \(range ?? "")")
        case .byteCount:
            Expectation("must be a number of bytes (4096, 64KiB, 8MiB, 1GiB) from \(range ?? "")")
        case .choice(let options): Expectation("must be \(Self.alternatives(options))")
        case .list:
            Expectation(
                "must be at most \(Self.listCountMax) items separated by commas, none empty")
        case .url(let schemes): Expectation("must be a URL such as \(schemes[0])://host:port")
        case .urls(let schemes):
            Expectation("must be URLs such as \(schemes[0])://host:port, separated by commas")
        }
    }

    /// `1 to 65535` for kinds that have a range, in the form in which values are written.
    var range: String? {
        switch self {
        case .integer(let range): "\(range.lowerBound) to \(range.upperBound)"
        case .real(let range): "\(range.lowerBound) to \(range.upperBound)"
        case .duration(let range), .durationOr(_, let range):
            "\(DurationText.text(range.lowerBound)) to \(DurationText.text(range.upperBound))"
        case .byteCount(let range):
            "\(ByteCountText.text(range.lowerBound)) to \(ByteCountText.text(range.upperBound))"
        case .text, .name, .flag, .choice, .list, .url, .urls: nil
        }
    }

    /// The word for the value in `--help`.
    var placeholder: String {
        switch self {
        case .text, .name: "TEXT"
        case .integer, .real: "NUMBER"
        case .flag: "[true|false]"
        case .duration: "DURATION"
        case .durationOr(let words, _): words.joined(separator: "|") + "|DURATION"
        case .byteCount: "BYTES"
        case .choice(let options): options.joined(separator: "|")
        case .list: "ITEM,..."
        case .url: "URL"
        case .urls: "URL,..."
        }
    }

    // MARK: parts

    private static func within<Value: Comparable>(
        _ range: ClosedRange<Value>, _ value: Value?
    ) -> Value? {
        guard let value, range.contains(value) else { return nil }
        return value
    }

    static func flag(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true", "yes", "on", "1": true
        case "false", "no", "off", "0": false
        default: nil
        }
    }

    private static func isOneLine(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    }

    private static func isName(_ text: String, _ bytesMax: Int, _ also: String) -> Bool {
        func isPlain(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard let first = text.utf8.first, isPlain(first), text.utf8.count <= bytesMax else {
            return false
        }
        return text.utf8.allSatisfy { isPlain($0) || also.utf8.contains($0) }
    }

    private static func items(_ text: String) -> [String]? {
        let items = text.split(separator: ",", omittingEmptySubsequences: false).map {
            String(trimmingSpaces($0))
        }
        guard items.count <= listCountMax,
            items.allSatisfy({ !$0.isEmpty && isOneLine($0) })
        else { return nil }
        return items
    }

    /// Accepts a scheme of the list and a host, without spaces and without a user: a password in a
    /// URL would be printed with it.
    private static func isURL(_ text: String, _ schemes: [String]) -> Bool {
        guard let scheme = schemes.first(where: { text.hasPrefix($0 + "://") }) else {
            return false
        }
        let authority = text.dropFirst(scheme.count + 3).prefix { $0 != "/" && $0 != "?" }
        return !authority.isEmpty && !carriesUser(text) && isOneLine(text) && !text.contains(" ")
    }

    static func carriesUser(_ text: String) -> Bool { text.contains("@") }

    private static func trimmingSpaces(_ text: Substring) -> Substring {
        var trimmed = text.drop { $0 == " " }
        while trimmed.last == " " { trimmed.removeLast() }
        return trimmed
    }

    private static func listed(_ characters: String) -> String {
        characters.map { ", \($0)" }.joined()
    }

    private static func alternatives(_ options: [String]) -> String {
        guard options.count > 1, let last = options.last else { return options.first ?? "" }
        return options.dropLast().joined(separator: ", ") + " or " + last
    }
}
