/// What a service has to do after its arguments, environment and files were read.
public enum CommandLineDecision: Sendable {
    case run(Configuration)
    /// To standard output, then exit with `success`.
    case print(String)
    /// To standard error, then exit with `usage`: every problem, one line each.
    case refuse(String)
}

/// Turns arguments, environment and files into a decision. Pure: nothing is read but what is
/// passed in, nothing is printed.
public struct ServiceCommandLine: Sendable {
    public let description: ServiceDescription
    private let catalogue: KeyCatalogue

    public init(_ description: ServiceDescription, catalogue: KeyCatalogue = .product) {
        self.description = description
        self.catalogue = catalogue
    }

    /// `arguments` without the program's name.
    public func decide(
        arguments: [String], environment: [String: String],
        readFile: @escaping FileReading = ConfigurationFiles.read
    ) -> CommandLineDecision {
        let parsed = CommandLineArguments(arguments, of: description, catalogue: catalogue)
        // These two answer whatever else is wrong.
        if parsed.action == .help { return .print(HelpText(service: description).text) }
        if parsed.action == .version {
            return .print("\(description.name) \(description.version)\n")
        }
        var loader = ConfigurationLoader(description, catalogue: catalogue, readFile: readFile)
        guard let configuration = loader.load(parsed, environment: environment) else {
            return .refuse(refusal(loader.problems))
        }
        switch parsed.action {
        case .printConfiguration: return .print(configuration.printed)
        case .checkConfiguration: return .print(configuration.checkReport)
        case .config, .help, .version, .none: return .run(configuration)
        }
    }

    private func refusal(_ problems: [String]) -> String {
        let count = problems.count == 1 ? "1 problem" : "\(problems.count) problems"
        let lines = problems + ["\(count): nothing was started, see \(description.name) --help"]
        return lines.map { "\(description.name): \($0)\n" }.joined()
    }
}
