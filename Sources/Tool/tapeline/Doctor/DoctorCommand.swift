import ServiceRuntime
import TapeTransport

/// `tapeline doctor`: looks at everything that a deployment needs, and says what to do.
struct DoctorCommand: Equatable, Sendable {
    /// The operations pages and the Prometheus that nothing else names.
    struct Pages: Equatable, Sendable {
        static let options: Set<String> = ["--service", "--prometheus"]
        static let servicesMax = 64

        var services: [TapeWatch.Monitor] = []
        var prometheus: TapeWatch.Monitor?

        init() {}

        init(_ arguments: CommandArguments) throws(ToolError) {
            let given = arguments.all("--service")
            guard given.count <= Self.servicesMax else {
                throw .usage("--service may come \(Self.servicesMax) times at most")
            }
            for text in given { services.append(try Self.page(text, "--service")) }
            prometheus = try arguments.one("--prometheus").map { text throws(ToolError) in
                try Self.page(text, "--prometheus")
            }
        }

        private static func page(
            _ text: String, _ option: String
        ) throws(ToolError) -> TapeWatch.Monitor {
            let url = text.contains("://") ? text : "http://\(text)"
            guard let page = TapeWatch.Monitor(url: url) else {
                throw .usage("\(option) wants HOST:PORT, not '\(text.prefix(80))'")
            }
            return page
        }
    }

    var target = TapeTarget()
    var pages = Pages()
    var asJSON = false

    static func parse(_ arguments: [String]) throws(ToolError) -> DoctorCommand {
        let arguments = try CommandArguments(
            "doctor", arguments,
            .init(values: TapeTarget.options.union(Pages.options), flags: ["--json"]))
        try arguments.requireWords(0, "options only")
        return DoctorCommand(
            target: try TapeTarget(arguments), pages: try Pages(arguments),
            asJSON: arguments.has("--json"))
    }

    func run(
        _ deployment: Deployment, _ environment: [String: String], _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        let report = try Examination(deployment, environment, pages).report()
        if asJSON {
            terminal.line(report.json())
        } else {
            for line in report.lines { terminal.line(line) }
        }
        return report.exitCode
    }
}
