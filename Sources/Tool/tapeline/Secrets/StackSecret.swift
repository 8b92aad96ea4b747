/// A password of a local stack, and where it counts.
struct StackSecret: Equatable, Sendable {
    enum Place: Equatable, Sendable {
        /// The user of NATS.
        case nats(user: String)
        /// The role of the database.
        case postgres(role: String)
        /// The user of Valkey.
        case valkey(user: String)
        /// The processes that have its file read it again by themselves.
        case file

        var summary: String {
            switch self {
            case .nats(let user): "NATS user \(user): its server reads the configuration again"
            case .postgres(let role): "database role \(role): altered in the server"
            case .valkey(let user): "Valkey user \(user): its server reads the users again"
            case .file: "the cockpit, and what carries its actions out, read it again"
            }
        }
    }

    /// What is to become the password stands in a file of this name until it is one.
    static let nextSuffix = ".next"

    let name: String
    let place: Place

    /// Fails when a stack has no password of that name.
    init?(named name: String) {
        let users = "nats-"
        if let known = StackSecrets.Name(rawValue: name) {
            place = Self.place(of: known)
        } else if name.hasPrefix(users) {
            place = .nats(user: String(name.dropFirst(users.count)))
        } else {
            return nil
        }
        self.name = name
    }

    private static func place(of name: StackSecrets.Name) -> Place {
        switch name {
        case .natsGateway: .nats(user: "gateway")
        case .natsOperator: .nats(user: "operator")
        case .natsWriter: .nats(user: "writer")
        case .natsCockpit: .nats(user: "cockpit")
        case .natsActions: .nats(user: "actions")
        case .natsConsumer: .nats(user: StackPlan.natsConsumer)
        case .natsTool: .nats(user: "tool")
        case .postgresOwner: .postgres(role: "postgres")
        case .postgresMigrator: .postgres(role: StackPlan.migrator)
        case .postgresWriter: .postgres(role: StackPlan.writer)
        case .postgresReader: .postgres(role: StackPlan.reader)
        case .valkey: .valkey(user: StackPlan.valkeyWriter)
        case .valkeyReader: .valkey(user: StackPlan.valkeyReader)
        case .valkeyKeys: .valkey(user: StackPlan.valkeyKeys)
        case .cockpitToken, .actionsKey: .file
        }
    }
}
