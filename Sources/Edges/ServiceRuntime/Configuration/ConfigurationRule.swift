/// A condition between settings. It is checked when each setting that it reads is valid by itself.
public struct ConfigurationRule: Sendable {
    /// The only keys that it reads; `nil`: any, so it is checked only when no setting is wrong.
    public let reads: Set<String>?
    /// Returns what is wrong, without secrets, one line each; `nil` when nothing is.
    public let problem: @Sendable (Configuration) -> String?

    public init(
        reads: Set<String>? = nil, _ problem: @escaping @Sendable (Configuration) -> String?
    ) {
        self.reads = reads
        self.problem = problem
    }

    /// Requires `key` for that subcommand.
    public static func required(_ key: String, by subcommand: String) -> ConfigurationRule {
        ConfigurationRule { configuration in
            let entry = configuration.entries.first { $0.key.name == key }
            precondition(entry != nil, "\(key) is not in the schema of \(configuration.service)")
            guard configuration.subcommand == subcommand, let entry, entry.value == nil else {
                return nil
            }
            return "\(subcommand) needs \(entry.key.names.joined(separator: " or "))"
        }
    }

    /// Requires that both are set, or none.
    public static func together(_ one: String, _ other: String) -> ConfigurationRule {
        ConfigurationRule(reads: [one, other]) { configuration in
            let set = configuration.entries.filter {
                ($0.key.name == one || $0.key.name == other) && $0.value != nil
            }
            guard set.count == 1 else { return nil }
            return "\(one) and \(other) belong together: only \(set[0].key.name) is set"
        }
    }
}

extension ConfigurationRule {
    /// Returns a rule for settings whose own initialiser refuses values: what it says is reported
    /// when the configuration is checked. `reads` lists the only keys that it reads; `nil`: any.
    package static func of(
        reads: Set<String>? = nil, _ make: @escaping @Sendable (Configuration) throws -> Void
    ) -> ConfigurationRule {
        ConfigurationRule(reads: reads) { configuration in
            do {
                try make(configuration)
                return nil
            } catch {
                return "\(error)"
            }
        }
    }
}
