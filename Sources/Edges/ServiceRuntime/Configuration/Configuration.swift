public import Primitives

/// The settings of a service, complete and checked. `ServiceCommandLine` makes it.
///
/// A getter stops the process if the schema has no such key, or if the key is of another kind. That
/// is a mistake in the code, because every value was checked when it was loaded. Printing a
/// configuration shows no secret.
public struct Configuration: Sendable {
    public let service: String
    /// The requested subcommand; `nil`: run the service.
    public let subcommand: String?
    /// The given flags of the subcommand, as they are written: `--dry-run`.
    public let subcommandFlags: Set<String>
    /// Doubtful settings that are no error; to be logged once.
    public let warnings: [String]
    /// The entries in the order of the schema.
    let entries: [Entry]
    private let places: [String: Int]

    struct Entry: Sendable {
        let key: ConfigurationKey
        /// `nil` when the setting is not set and has no default.
        let value: ConfigurationValue?
        /// The value as it was written, `<redacted>`, or nothing.
        let shown: String
        let source: ConfigurationSource
        /// Reads a secret's file again.
        var reread: (@Sendable () -> String?)?
    }

    init(
        service: String, subcommand: String?, subcommandFlags: Set<String> = [],
        warnings: [String], entries: [Entry]
    ) {
        self.service = service
        self.subcommand = subcommand
        self.subcommandFlags = subcommandFlags
        self.warnings = warnings
        self.entries = entries
        places = Dictionary(
            entries.enumerated().map { ($1.key.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    // MARK: values that always exist: required, or with a default

    public func text(_ name: String) -> String { present(name, optionalText(name)) }

    /// Returns an integer, or the number of bytes of a `.byteCount`.
    public func integer(_ name: String) -> Int { present(name, optionalInteger(name)) }

    public func real(_ name: String) -> Double { present(name, optionalReal(name)) }

    public func flag(_ name: String) -> Bool { present(name, optionalFlag(name)) }

    public func duration(_ name: String) -> Duration { present(name, optionalDuration(name)) }

    /// The value of a `.durationOr`.
    public enum DurationOrWord: Equatable, Sendable {
        case duration(Duration)
        case word(String)
    }

    /// Returns the duration or the word of a `.durationOr`.
    public func durationOrWord(_ name: String) -> DurationOrWord {
        switch present(name, entry(name).value) {
        case .duration(let duration): .duration(duration)
        case .text(let word): .word(word)
        case .integer, .real, .flag, .list, .secret: wrongKind(name, "a duration or a word")
        }
    }

    /// Sorted, each once.

    // MARK: values that may be absent

    public func optionalText(_ name: String) -> String? {
        guard let value = entry(name).value else { return nil }
        guard case .text(let text) = value else { wrongKind(name, "text") }
        return text
    }

    public func optionalInteger(_ name: String) -> Int? {
        guard let value = entry(name).value else { return nil }
        guard case .integer(let number) = value else { wrongKind(name, "a whole number") }
        return number
    }

    public func optionalReal(_ name: String) -> Double? {
        guard let value = entry(name).value else { return nil }
        guard case .real(let number) = value else { wrongKind(name, "a number") }
        return number
    }

    public func optionalFlag(_ name: String) -> Bool? {
        guard let value = entry(name).value else { return nil }
        guard case .flag(let flag) = value else { wrongKind(name, "a flag") }
        return flag
    }

    public func optionalDuration(_ name: String) -> Duration? {
        guard let value = entry(name).value else { return nil }
        guard case .duration(let duration) = value else { wrongKind(name, "a duration") }
        return duration
    }

    /// Returns the items of a `.list` or `.urls`; empty if nothing is set.
    public func list(_ name: String) -> [String] {
        guard let value = entry(name).value else { return [] }
        guard case .list(let items) = value else { wrongKind(name, "a list") }
        return items
    }

    public func secret(_ name: String) -> Secret? {
        guard let value = entry(name).value else { return nil }
        guard case .secret(let secret) = value else { wrongKind(name, "a secret") }
        return secret
    }

    /// Returns a secret that is read from its file again when a server refuses it; `nil` when it is
    /// not set, or in no file. One that `isTaken` denies does not replace it.
    public func renewable(
        _ name: String, taking isTaken: @escaping @Sendable (String) -> Bool = { _ in true }
    ) -> RenewableSecret? {
        guard let value = secret(name)?.revealed, let read = entry(name).reread else { return nil }
        return RenewableSecret(value) { read().flatMap { isTaken($0) ? $0 : nil } }
    }

    /// All settings for the log line at the start, with secrets redacted: `config.NATS_URL`.
    public var logFields: [(String, LogValue)] {
        entries.filter { $0.value != nil }.map { ("config.\($0.key.name)", LogValue($0.shown)) }
    }

    // MARK: parts

    private func entry(_ name: String) -> Entry {
        guard let place = places[name] else {
            preconditionFailure("\(name) is not in the schema of \(service)")
        }
        return entries[place]
    }

    private func present<Value>(_ name: String, _ value: Value?) -> Value {
        guard let value else {
            preconditionFailure("\(name) may be absent: ask for the optional value")
        }
        return value
    }

    private func wrongKind(_ name: String, _ asked: String) -> Never {
        preconditionFailure("\(name) is not \(asked)")
    }
}

/// The origin of a value.
package enum ConfigurationSource: Equatable, Sendable, CustomStringConvertible {
    case notSet
    case `default`
    case file(path: String, line: Int)
    case environment
    case flag
    /// A secret, from the file that `<name>_FILE` names.
    indirect case secretFile(path: String, named: ConfigurationSource)

    package var description: String {
        switch self {
        case .notSet: "not set"
        case .default: "default"
        case .file(let path, let line): "\(path) line \(line)"
        case .environment: "environment"
        case .flag: "flag"
        case .secretFile(let path, let source): "file \(path), named by \(source)"
        }
    }
}
