import Primitives
import ServiceRuntime

/// `tapeline page MEMBER`: what a process itself says, wherever it runs.
struct PageCommand: ToolCommand {
    let member: String
    var path = "/status"
    var target = TapeTarget()
    /// How long a process may take to answer.
    var timeout: Duration = .seconds(5)

    static let page = CommandPage(
        "page", .state, "what a process says of itself",
        """
        page MEMBER [PATH]
            print a page of the operations port of a process: /status, which is meant without PATH,
            /readyz, /healthz or /metrics. MEMBER is its name in 'tapeline members' or 'tapeline
            status', or that of its service, where only one process of it runs. It fails (1) if the
            page's status is not 200, and (69) if the process does not answer for 5 s. On another
            machine NATS knows where the page is; without NATS, a service's name is its host
        $ tapeline page operator-worker-a
        $ tapeline page store-writer /readyz
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> PageCommand {
        let path = given.words.count > 1 ? given.words[1] : "/status"
        guard path.hasPrefix("/") else {
            throw .usage("a page begins with '/', as /status does, and '\(path.prefix(80))' not")
        }
        return PageCommand(member: given.words[0], path: path, target: try TapeTarget(given))
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let deployment = try tool.deployment(target)
        let page = try PageSearch(name: member).page(of: deployment)
        do throws(ServiceError) {
            let answer = try HTTPProbe.get(
                host: page.host, port: page.port, path: path, timeout: timeout,
                trust: deployment.operations)
            if page.advice != nil {
                tool.terminal.problem("NATS is away: this is one process of \(page.service)")
            }
            var text = String(decoding: answer.body, as: UTF8.self)
            if text.hasSuffix("\n") { text.removeLast() }
            tool.terminal.line(text)
            return answer.status == 200 ? .success : .failure
        } catch {
            throw .unreachable(page.advice ?? "\(page.name) does not answer: \(error)")
        }
    }
}
