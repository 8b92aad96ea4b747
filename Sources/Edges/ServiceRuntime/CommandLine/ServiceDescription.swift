/// The description of a service and its settings. `--help`, the loader and the tests of the rules
/// read it.
package struct ServiceDescription: Sendable {
    /// Another action of the program: `store-writer migrate`.
    package struct Subcommand: Sendable {
        /// A flag of one subcommand, without a value: `--dry-run`.
        package struct Flag: Sendable {
            package let name: String
            package let summary: String

            package init(_ name: String, _ summary: String) {
                self.name = name
                self.summary = summary
            }
        }

        package let name: String
        package let summary: String
        package let flags: [Flag]

        package init(_ name: String, _ summary: String, flags: [Flag] = []) {
            self.name = name
            self.summary = summary
            self.flags = flags
        }
    }

    /// A flag with a value that is answered instead of running the service: `--check-graph FILE`.
    /// It reads no setting.
    package struct Question: Sendable {
        /// Why there is no answer: one line each, as they are printed.
        package struct Refusal: Error, Equatable, Sendable {
            package let lines: [String]

            package init(_ lines: [String]) { self.lines = lines }
        }

        package let flag: String
        /// The word for the value in `--help`: `FILE`.
        package let placeholder: String
        package let summary: String
        /// Returns the text to print. Pure except for the files that it is given.
        package let answer: @Sendable (String, @escaping FileReading) -> Result<String, Refusal>

        package init(
            _ flag: String, _ placeholder: String, _ summary: String,
            answer:
                @escaping @Sendable (
                    String, @escaping FileReading
                ) -> Result<String, Refusal>
        ) {
            self.flag = flag
            self.placeholder = placeholder
            self.summary = summary
            self.answer = answer
        }
    }

    package struct Example: Sendable {
        package let command: String
        package let meaning: String

        package init(_ command: String, _ meaning: String) {
            self.command = command
            self.meaning = meaning
        }
    }

    /// The product's name, used for the image, the workload and the log lines.
    package let name: String
    package let version: String
    /// The commit of the build.
    package let revision: String
    /// One sentence.
    package let summary: String
    package let keys: [ConfigurationKey]
    package let rules: [ConfigurationRule]
    package let subcommands: [Subcommand]
    package let questions: [Question]
    package let examples: [Example]
    package let exitCodes: [ExitCode]
    /// The names of all keys, including those of secrets' files.
    let names: Set<String>

    /// A description is code: a duplicate key stops the process.
    package init(
        name: String, version: String, revision: String = ProductVersion.revision,
        summary: String, keys: [ConfigurationKey], rules: [ConfigurationRule] = [],
        subcommands: [Subcommand] = [], questions: [Question] = [], examples: [Example] = [],
        exitCodes: [ExitCode] = ExitCode.ofServices
    ) {
        self.name = name
        self.version = version
        self.revision = revision
        self.summary = summary
        self.keys = keys
        let hasPort = keys.contains { $0.name == ConfigurationKey.operationsCertificate }
        self.rules = rules + (hasPort ? [.operationsCertificate] : [])
        self.subcommands = subcommands
        self.questions = questions
        self.examples = examples
        self.exitCodes = exitCodes
        let all = keys.flatMap(\.names)
        names = Set(all)
        precondition(names.count == all.count, "\(name): a key is in the schema twice")
        for key in keys {
            precondition(
                BuiltInFlag(rawValue: key.flag) == nil, "\(name): \(key.flag) is taken already")
        }
        for flag in subcommands.flatMap(\.flags).map(\.name) + questions.map(\.flag) {
            precondition(
                BuiltInFlag(rawValue: flag) == nil && !keys.contains { $0.flag == flag },
                "\(name): \(flag) is taken already")
        }
    }
}

/// The flags that every service has.
enum BuiltInFlag: String, CaseIterable {
    case config = "--config"
    case help = "--help"
    case version = "--version"
    case printConfiguration = "--print-config"
    case checkConfiguration = "--check-config"
    case probeAlive = "--probe-alive"
    case probeReady = "--probe-ready"

    var summary: String {
        switch self {
        case .config: "Read settings from this file of KEY=value lines."
        case .help: "Print this text (also -h)."
        case .version: "Print the version and the revision."
        case .printConfiguration: "Print all settings and where they come from, secrets redacted."
        case .checkConfiguration: "Say whether the configuration is valid, and stop."
        case .probeAlive: "Ask the service that runs with these settings whether it is alive."
        case .probeReady: "Ask it whether it is able to work; 0: yes, 1: no, 69: no answer."
        }
    }

    var usage: String { self == .config ? "\(rawValue) FILE" : rawValue }
}
