/// The configuration keys that the code declares, and the service that takes each, read from the
/// source.
struct KeyUse {
    struct Key: Hashable {
        let name: String
        let path: String
        let line: Int
        /// The library's `static let` or `static func` that holds it. `nil` in a service.
        let group: String?
    }

    /// A line of a `default.env`. `#KEY=` is a key without a default.
    struct Entry {
        let name: String
        let line: Int
        /// True if there is a comment above it.
        let isExplained: Bool
    }

    /// A program that reads the services' keys, and is none of the libraries that services share.
    private static let tool = "Sources/Tool/tapeline/"
    private static let providers = "Sources/Providers/"
    private static let gateway = "provider-gateway"

    /// The files that use keys. In others `.nats` may be a case of another type.
    private let files: [SourceFile]
    let keys: [Key]

    init(_ repository: Repository) {
        let product = repository.swift.filter(\.isProduct)
        keys = product.flatMap(Self.keys)
        files = product.filter {
            $0.bytes.contains("ConfigurationKey") || $0.path.hasSuffix("/Configuration.swift")
        }
    }

    /// Returns the first text in each `ConfigurationKey(…)`.
    private static func keys(in file: SourceFile) -> [Key] {
        guard let swift = file.swift, file.bytes.contains("ConfigurationKey") else { return [] }
        let code = String(decoding: swift.code, as: UTF8.self)
        let groups = code.matches(of: /\bstatic\s+(?:let|var|func)\s+(\w+)/)
        return code.matches(of: /\bConfigurationKey\s*\(/).compactMap { call in
            let offset = code.utf8.distance(from: code.startIndex, to: call.range.lowerBound)
            guard
                let literal = swift.literals.filter({ $0.offset > offset }).min(by: {
                    $0.offset < $1.offset
                }),
                literal.text.wholeMatch(of: /[A-Z][A-Z0-9_]+/) != nil
            else { return nil }
            let group = groups.last { $0.range.lowerBound < call.range.lowerBound }
            let isShared = !file.path.hasPrefix("services/")
            return Key(
                name: literal.text, path: file.path, line: literal.line,
                group: isShared ? group.map { String($0.output.1) } : nil)
        }
    }

    /// Returns all keys of a service: its own, and those of the groups that it names or that the
    /// libraries put into every service.
    func keys(ofService service: String) -> [Key] {
        let home = "services/\(service)/"
        let own = files.filter { $0.path.hasPrefix(home) }
        let shared = files.filter {
            $0.path.hasPrefix("Sources/") && !$0.path.hasSuffix("/KeyCatalogue.swift")
                && !$0.path.hasPrefix(Self.tool)
        }
        return keys.filter { key in
            guard !key.path.hasPrefix(Self.tool) else { return false }
            guard let group = key.group else { return key.path.hasPrefix(home) }
            // Only a gateway has providers: what they share is no key of other services.
            let others = shared.filter { file in
                file.path != key.path
                    && !(key.path.hasPrefix(Self.providers) && file.path.hasPrefix(Self.providers)
                        && service != Self.gateway)
            }
            let users = own + others
            return users.contains { Self.names(group, $0) }
        }
    }

    private static func names(_ group: String, _ file: SourceFile) -> Bool {
        let word = BannedWord(text: group, instead: "", alsoAsMember: true)
        return file.codeLines.contains { $0.contains(".\(group)") && word.occurs(in: $0) }
    }

    static func entries(of file: SourceFile) -> [Entry] {
        var isExplained = false
        return file.lines.enumerated().compactMap { index, line in
            guard let match = line.firstMatch(of: /^#?\s?([A-Z][A-Z0-9_]+)=/) else {
                isExplained = line.firstMatch(of: /^#.*[a-z]/) != nil
                return nil
            }
            defer { isExplained = false }
            return Entry(name: String(match.output.1), line: index + 1, isExplained: isExplained)
        }
    }
}
