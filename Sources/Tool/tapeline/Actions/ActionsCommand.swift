import Primitives
import ServiceRuntime
import TapeTransport

/// `tapeline actions serve`: carries out what people ask for in the cockpit.
struct ActionsCommand: Equatable, Sendable {
    var target = TapeTarget()

    static func parse(_ arguments: [String]) throws(ToolError) -> ActionsCommand {
        guard arguments.first == "serve" else {
            throw .usage("'tapeline actions' wants serve")
        }
        let given = try CommandArguments(
            "actions serve", Array(arguments.dropFirst()), .init(values: TapeTarget.options))
        try given.requireWords(0, "options only")
        return ActionsCommand(target: try TapeTarget(given))
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
