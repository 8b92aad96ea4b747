/// The folder of one stack, with all its state and logs.
struct StackHome: Equatable, Sendable {
    static let defaultName = "default"
    static let nameBytesMax = 32

    let name: String
    let path: String

    init(checkout: Checkout, name: String) throws(ToolError) {
        guard StackHome.isName(name) else {
            throw .usage(
                "'\(name.prefix(64))' is no name for a stack (a to z, 0 to 9 and -, a letter first,"
                    + " at most \(StackHome.nameBytesMax))")
        }
        self.name = name
        path = "\(checkout.stacks)/\(name)"
    }

    static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= nameBytesMax else { return false }
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        return letters.contains(first)
            && text.utf8.allSatisfy {
                letters.contains($0) || digits.contains($0) || $0 == UInt8(ascii: "-")
            }
    }

    /// Returns how to call a command of the tool for this stack. While there are others beside it,
    /// a command without a name is refused as soon as one of them is up.
    func command(_ word: String) -> String {
        let isPlain = name == StackHome.defaultName && !hasOthers
        return "tapeline \(word)" + (isPlain ? "" : " --name \(name)")
    }

    /// Whether the folder of stacks has another one.
    private var hasOthers: Bool {
        let folder = FileSystem.folder(of: path)
        return FileSystem.names(in: folder).contains {
            $0 != name && StackHome.isName($0) && FileSystem.isFolder("\(folder)/\($0)")
        }
    }

    var secrets: String { "\(path)/secrets" }
    var logs: String { "\(path)/logs" }
    var ports: String { "\(path)/ports.json" }
    var state: String { "\(path)/state.json" }
    /// Settings for what the supervisor starts from now on.
    var change: String { "\(path)/change.json" }
    /// The graph by which the bars of a namespace are made.
    func graph(_ namespace: String) -> String { "\(path)/graph-\(namespace).json" }
    /// The files of that graph from which workers of a generation start, in a folder of its own.
    func graphFiles(_ namespace: String, _ generation: UInt32) -> String {
        "\(path)/graphs/\(namespace)-\(generation)"
    }
    /// The sources whose ticks the stack has, if it has data.
    var sources: String { "\(path)/sources.json" }
    /// The lock that a command holds while it changes the stack. It is beside the folder, so that
    /// who has the lock may remove the folder.
    var commandLock: String { "\(path)\(Stack.lockEnd)" }
    /// The lock that the supervisor holds as long as it lives.
    var supervisorLock: String { "\(path)/supervisor.lock" }
    var postgresData: String { "\(path)/postgres" }
    /// The shipped configuration of NATS with the stack's passwords and streams.
    var natsConfiguration: String { "\(path)/nats.conf" }
    var natsStore: String { "\(path)/nats" }
    var valkeyFolder: String { "\(path)/valkey" }
    /// The folder of ticks that gateways could not put on the tape.
    var spool: String { "\(path)/spool" }
    /// The folder of dead letters that the writer could not publish.
    var deadLetters: String { "\(path)/dead-letters" }
    /// The log of what a simulated broker has sent, if it was asked to keep one.
    var truth: String { "\(path)/truth.ndjson" }
    var valkeyConfiguration: String { "\(valkeyFolder)/valkey.conf" }
    var valkeyUsers: String { "\(valkeyFolder)/users.acl" }
    /// Who may act in the cockpit.
    var cockpitPeople: String { "\(secrets)/cockpit-people" }
    /// What Alertmanager knows of silences, and of what it sent.
    var alertmanager: String { "\(path)/alertmanager" }
    var prometheusConfiguration: String { "\(path)/prometheus.yml" }
    /// The data of Prometheus.
    var metrics: String { "\(path)/metrics" }
    /// libpq's password file, for psql.
    var passwordFile: String { "\(secrets)/pgpass" }
    /// The same with the reader's password alone, for programs of people.
    var readerPasswordFile: String { "\(secrets)/pgpass-reader" }
    /// libpq's service file, and the name of the stack's service in it.
    var serviceFile: String { "\(secrets)/pg_service.conf" }
    var service: String { name == StackHome.defaultName ? "tapeline" : "tapeline-\(name)" }

    func secret(_ name: String) -> String { "\(secrets)/\(name)" }
    func log(_ unit: String) -> String { "\(logs)/\(unit).log" }

    /// True if there is a tape or a database, whatever is in it.
    var hasData: Bool {
        [natsStore, postgresData].contains { folder in
            FileSystem.names(in: folder).contains { $0 != "." && $0 != ".." }
        }
    }

    func makeFolders() throws(ToolError) {
        try FileSystem.makeFolder(path)
        try FileSystem.makeFolder(secrets, mode: 0o700)
        for folder in [logs, natsStore, spool, valkeyFolder] { try FileSystem.makeFolder(folder) }
    }
}
