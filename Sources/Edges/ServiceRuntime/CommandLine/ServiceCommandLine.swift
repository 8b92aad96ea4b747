/// The action of a service after its arguments, environment and files were read.
package enum CommandLineDecision: Sendable {
    case run(Configuration)
    /// To standard output, then exit with `success`.
    case print(String)
    /// Print to standard error, then exit with `usage`: every problem, one line each.
    case refuse(String)
    /// Ask the service that runs already.
    case ask(OperationsProbe)
}

/// Turns arguments, environment and files into a decision. Pure: it reads only what is passed in,
/// and prints nothing.
package struct ServiceCommandLine: Sendable {
    package let description: ServiceDescription
    private let catalogue: KeyCatalogue

    package init(_ description: ServiceDescription, catalogue: KeyCatalogue = .product) {
        self.description = description
        self.catalogue = catalogue
    }

    /// `arguments` without the program's name.
    package func decide(
        arguments: [String], environment: [String: String],
        readFile: @escaping FileReading = ConfigurationFiles.read
    ) -> CommandLineDecision {
        let parsed = CommandLineArguments(arguments, of: description, catalogue: catalogue)
        // These two are answered even when other arguments are wrong.
        if parsed.action == .help { return .print(HelpText(service: description).text) }
        if parsed.action == .version {
            let version = ProductVersion.shown(description.version, description.revision)
            return .print("\(description.name) \(version)\n")
        }
        if let question = parsed.question {
            return answer(question.asked, question.value, parsed.problems, readFile)
        }
        var loader = ConfigurationLoader(description, catalogue: catalogue, readFile: readFile)
        guard let configuration = loader.load(parsed, environment: environment) else {
            return .refuse(refusal(loader.problems))
        }
        switch parsed.action {
        case .printConfiguration: return .print(configuration.printed)
        case .checkConfiguration: return .print(configuration.checkReport)
        case .probeAlive: return probe(configuration, path: "/healthz")
        case .probeReady: return probe(configuration, path: "/readyz")
        case .config, .help, .version, .none: return .run(configuration)
        }
    }

    private func probe(_ configuration: Configuration, path: String) -> CommandLineDecision {
        switch OperationsProbe.of(configuration, description, path: path) {
        case .success(let probe): .ask(probe)
        case .failure(let problem): .refuse(refusal([problem.text]))
        }
    }

    /// Answers a question. The settings may be wrong, because the question does not depend on them.
    private func answer(
        _ question: ServiceDescription.Question, _ value: String, _ problems: [String],
        _ readFile: @escaping FileReading
    ) -> CommandLineDecision {
        guard problems.isEmpty else { return .refuse(refusal(problems)) }
        switch question.answer(value, readFile) {
        case .success(let text): return .print(text)
        case .failure(let refused): return .refuse(refused.lines.map { $0 + "\n" }.joined())
        }
    }

    private func refusal(_ problems: [String]) -> String {
        let count = problems.count == 1 ? "1 problem" : "\(problems.count) problems"
        let lines = problems + ["\(count): nothing was started, see \(description.name) --help"]
        return lines.map { "\(description.name): \($0)\n" }.joined()
    }
}
