/// The locations in a checkout. The tool and the services are in one folder, as the build leaves
/// them. A stack writes only under `.local`.
struct Checkout: Equatable, Sendable {
    let root: String
    /// The folder of `tapeline`, `provider-gateway`, `operator-worker` and `store-writer`.
    let programs: String

    /// The maximum number of parent folders that are searched, starting at the program.
    static let stepsMax = 16

    /// Returns the checkout named by `--home`, or the one around the running program.
    static func find(home: String?, executable: String) throws(ToolError) -> Checkout {
        let programs = FileSystem.folder(of: executable)
        if let home {
            guard let root = FileSystem.resolved(home), isRoot(root) else {
                throw .noCheckout(lookedFrom: home)
            }
            return Checkout(root: root, programs: programs)
        }
        var folder = programs
        for _ in 0..<stepsMax {
            if isRoot(folder) { return Checkout(root: folder, programs: programs) }
            folder = FileSystem.folder(of: folder)
        }
        throw .noCheckout(lookedFrom: programs)
    }

    /// Returns the path of the running program, whatever name it was called by.
    static func ownExecutable() throws(ToolError) -> String {
        guard let path = FileSystem.resolved("/proc/self/exe") else {
            throw FileSystem.failure("find", "/proc/self/exe")
        }
        return path
    }

    private static func isRoot(_ folder: String) -> Bool {
        FileSystem.exists("\(folder)/deploy/nats/server.conf")
            && FileSystem.isExecutable("\(folder)/deploy/local/servers.sh")
    }

    var natsServer: String { "\(root)/.local/servers/bin/nats-server" }

    func databaseProgram(_ name: String) -> String {
        "\(root)/.local/servers/database/bin/\(name)"
    }

    func program(_ name: String) -> String { "\(programs)/\(name)" }

    func deploy(_ path: String) -> String { "\(root)/deploy/\(path)" }

    /// The path of one of the shipped lists of instruments.
    func instruments(_ name: String) -> String {
        "\(root)/services/provider-gateway/instruments/\(name).yaml"
    }

    /// Throws for the first missing program of those that a stack starts.
    func requirePrograms(services: Bool, simulators: [SimulatedVenue] = []) throws(ToolError) {
        let servers = [natsServer] + StackPlan.databasePrograms.map { databaseProgram($0) }
        for path in servers where !FileSystem.isExecutable(path) {
            throw .missing(path: path, verb: "servers")
        }
        let built =
            (services ? StackPlan.servicePrograms : []) + simulators.map(\.program)
        for path in built.map({ program($0) }) where !FileSystem.isExecutable(path) {
            throw .missing(path: path, verb: "programs")
        }
    }
}
