/// A condition between settings. It is looked at when each of those that it reads is valid by
/// itself.
public struct ConfigurationRule: Sendable {
    /// The only keys that it asks for; `nil` = any, so nothing at all may be wrong before.
    public let reads: Set<String>?
    /// What is wrong, without secrets, one line each; `nil` = nothing.
    public let problem: @Sendable (Configuration) -> String?

    public init(
        reads: Set<String>? = nil, _ problem: @escaping @Sendable (Configuration) -> String?
    ) {
        self.reads = reads
        self.problem = problem
    }

    /// `key` has to be set for that subcommand.
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

    /// Either both are set or none is.
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
