/// The locations in a checkout, or in the package `tapeline-programs` of Python, which has the same
/// files. The tool and the services are in one folder, as the build leaves them.
struct Checkout: Equatable, Sendable {
    let root: String
    /// The folder of `tapeline`, `provider-gateway`, `operator-worker` and `store-writer`.
    let programs: String
    var places = ServerPlaces()

    /// The maximum number of parent folders that are searched, starting at the program.
    static let stepsMax = 16

    /// Returns the checkout named by `--home`, or the one around the running program.
    static func find(home: String?, executable: String) throws(ToolError) -> Checkout {
        let programs = FileSystem.folder(of: executable)
        if let home {
            guard let root = FileSystem.resolved(home), isRoot(root) else {
                throw .noCheckout(lookedFrom: home)
            }
            return try Checkout(root, programs)
        }
        var folder = programs
        for _ in 0..<stepsMax {
            if isRoot(folder) { return try Checkout(folder, programs) }
            folder = FileSystem.folder(of: folder)
        }
        throw .noCheckout(lookedFrom: programs)
    }

    private init(_ root: String, _ programs: String) throws(ToolError) {
        let places = try ServerPlaces.read(root, environment: FileSystem.ownEnvironment())
        self.init(root: root, programs: programs, places: places ?? ServerPlaces())
    }

    init(root: String, programs: String, places: ServerPlaces = ServerPlaces()) {
        self.root = root
        self.programs = programs
        self.places = places
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
            && (FileSystem.isExecutable("\(folder)/deploy/local/servers.sh")
                || FileSystem.exists("\(folder)/\(ServerPlaces.file)"))
    }

    var natsServer: String { path(places.natsServer) }

    var valkeyServer: String { path(places.valkeyServer) }

    func databaseProgram(_ name: String) -> String { "\(path(places.database))/\(name)" }

    /// The folder of all stacks.
    var stacks: String { path(places.stacks) }

    private func path(_ place: String) -> String {
        place.hasPrefix("/") ? place : "\(root)/\(place)"
    }

    func program(_ name: String) -> String { "\(programs)/\(name)" }

    /// The tool as people call it. Python's packages put their programs where nats-server is.
    var command: String {
        told(program("tapeline"), "\(FileSystem.folder(of: natsServer))/tapeline")
    }

    func deploy(_ path: String) -> String { "\(root)/deploy/\(path)" }

    /// The script that runs PostgreSQL's programs, which refuse root.
    var notRoot: String { deploy("local/not-root.sh") }

    /// The path of one of the shipped lists of instruments.
    func instruments(_ name: String) -> String {
        "\(root)/services/provider-gateway/instruments/\(name).yaml"
    }

    /// Returns the command for a person: that of a checkout, or that of the package.
    func told(_ make: String, _ package: String) -> String { places.isPackage ? package : make }

    /// Throws for the first missing program of those that a stack starts.
    func requirePrograms(services: Bool, simulators: [SimulatedVenue] = []) throws(ToolError) {
        let servers =
            [natsServer, valkeyServer] + StackPlan.databasePrograms.map { databaseProgram($0) }
        try requireServers(servers)
        let built =
            (services ? StackPlan.servicePrograms : []) + simulators.map(\.program)
        try require(built.map { program($0) }, "make programs")
    }

    func requireServers(_ paths: [String]) throws(ToolError) { try require(paths, "make servers") }

    private func require(_ paths: [String], _ make: String) throws(ToolError) {
        for path in paths where !FileSystem.isExecutable(path) {
            throw .missing(path: path, remedy: "run \(told("'\(make)'", Self.reinstall))")
        }
    }

    /// How to get what a package of Python lacks. It has quotes of its own.
    private static let reinstall = "pip install --force-reinstall 'tapeline[stack]'"

    /// Throws if a program that belongs beside this one is missing.
    static func require(_ program: String) throws(ToolError) {
        guard !FileSystem.isExecutable(program) else { return }
        let root = FileSystem.folder(of: FileSystem.folder(of: program))
        let name = program.split(separator: "/").last ?? ""
        let remedy =
            if FileSystem.exists("\(root)/\(ServerPlaces.file)") {
                "run \(reinstall)"
            } else if program.contains("/.build/") {
                "run 'make programs'"
            } else {
                "install the package 'tapeline-\(name)', or copy the program there"
            }
        throw .missing(path: program, remedy: remedy)
    }
}
