import Primitives
import ServiceRuntime

/// `tapeline support-bundle`: what a person who helps wants to see, in one file without secrets.
struct BundleCommand: ToolCommand {
    var target = TapeTarget()
    var pages = DoctorCommand.Pages()
    /// The archive, which must not be there yet.
    var output = ""

    static let ending = ".tar.gz"

    static let page = CommandPage(
        "support-bundle", .state, "one file for a person who helps, without secrets",
        also: [.service, .prometheus],
        """
        support-bundle [-o FILE.tar.gz]
            write one file for a person who helps: the doctor's findings, versions, settings,
            states, metrics, the ends of logs, sizes of tables. The list of what is inside comes
            first. Passwords and other secrets are taken out; symbols, prices and names of hosts are
            not: look at it before you send it
        -o FILE.tar.gz
            a file that is not there yet; if not given, tapeline-support-TIME.tar.gz in the
            present folder
        $ tapeline support-bundle
        $ tapeline support-bundle -o /tmp/ours.tar.gz
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> BundleCommand {
        let moment = given.now.description.prefix(19).filter { $0 != "-" && $0 != ":" }
        let output = try given.one("-o") ?? "tapeline-support-\(moment)\(ending)"
        guard output.hasSuffix(ending) else {
            throw .usage("-o wants a file that ends with \(ending), not '\(output.prefix(80))'")
        }
        return BundleCommand(
            target: try TapeTarget(given), pages: try DoctorCommand.Pages(given), output: output)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try BundleRun(
            command: self, terminal: tool.terminal, deployment: tool.deployment(target),
            environment: tool.environment, program: Checkout.ownExecutable(),
            shutdown: tool.signals()
        ).run()
    }
}
