import Primitives
import ServiceRuntime
import TapeTransport

/// `tapeline actions serve`: carries out what people ask for in the cockpit.
struct ActionsCommand: ToolCommand {
    var target = TapeTarget()

    static let page = CommandPage(
        "actions", .operation, "carry out what people ask for in the cockpit",
        """
        actions serve
            carry out what people ask for in the cockpit, until it is stopped: add and remove
            instruments, repair, replay dead letters, drain and release members. Each action is a
            record on the tape before it is carried out, and another one with its outcome: tapeline
            tail --kind action. Requests are proven by COCKPIT_ACTIONS_KEY, or
            COCKPIT_ACTIONS_KEY_FILE, the key of the cockpit.
        $ NATS_USER=actions COCKPIT_ACTIONS_KEY_FILE=key tapeline actions serve
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> ActionsCommand {
        ActionsCommand(target: try TapeTarget(given))
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let program = try Checkout.ownExecutable()
        let (deployment, key) = try servers(tool.environment, executable: program)
        return try ActionsRun(
            command: self, key: key, environment: tool.environment, program: program,
            terminal: tool.terminal, shutdown: tool.signals()
        ).run(deployment)
    }

    private static let description = ServiceDescription(
        name: "tapeline", version: ProductVersion.text, summary: "Carries actions out.",
        keys: ConfigurationKey.actions, rules: [.of { _ = try ActionKey($0) }])

    /// Returns the servers, and the key by which requests are proven. Throws what is wrong with
    /// either at the same time.
    func servers(
        _ environment: [String: String], executable: String
    ) throws(ToolError) -> (Deployment, ActionKey) {
        var problems: [String] = []
        var key: ActionKey?
        do throws(ToolError) {
            key = try Self.key(environment)
        } catch .configuration(let found) {
            problems = found
        } catch {
            throw error
        }
        let deployment: Deployment
        do throws(ToolError) {
            deployment = try Deployment.find(
                target, environment: environment, executable: executable)
        } catch .configuration(let found) {
            throw .configuration(found + problems)
        } catch {
            throw error
        }
        guard let key else { throw .configuration(problems) }
        return (deployment, key)
    }

    private static func key(_ environment: [String: String]) throws(ToolError) -> ActionKey {
        let configuration = try ToolConfiguration.read(description, environment)
        do throws(SettingsError) {
            return try ActionKey(configuration)
        } catch {
            throw .configuration([error.description])
        }
    }
}

extension TapeTarget {
    /// The options by which another command finds the same tape.
    var arguments: [String] {
        [("--home", home), ("--name", stack), ("--nats", natsURL)].flatMap { option, value in
            value.map { [option, $0] } ?? []
        }
    }
}
