internal import Glibc
import Membership

/// The passwords of one stack. They are made at its first start, only its user can read them, and
/// they never appear on a command line.
struct StackSecrets: Equatable, Sendable {
    enum Name: String, CaseIterable {
        case natsGateway = "nats-gateway"
        case natsOperator = "nats-operator"
        case natsWriter = "nats-writer"
        case natsCockpit = "nats-cockpit"
        case natsActions = "nats-actions"
        case natsConsumer = "nats-consumer"
        case natsTool = "nats-tool"
        case postgresOwner = "postgres-owner"
        case postgresMigrator = "postgres-migrator"
        case postgresWriter = "postgres-writer"
        case postgresReader = "postgres-reader"
        /// The password of the writer's Valkey user.
        case valkey = "valkey"
        case valkeyReader = "valkey-reader"
        /// The password of the user who has Valkey read its users again.
        case valkeyKeys = "valkey-keys"
        /// What its user types to act in the cockpit.
        case cockpitToken = "cockpit-token"
        /// By which the cockpit proves its requests for actions.
        case actionsKey = "actions-key"
    }

    /// 24 bytes are 192 bits.
    static let randomBytes = 24
    private let values: [Name: String]
    /// The passwords at NATS of the writers of further stores.
    private let writers: [GroupName: String]
    /// Those of the programs of people that follow the tape, by their group.
    private(set) var followers: [GroupName: String] = [:]

    subscript(name: Name) -> String { values[name] ?? "" }

    /// Returns the password at NATS of a store's writers.
    subscript(writerOf store: GroupName) -> String { writers[store] ?? self[.natsWriter] }

    /// The name of its file.
    static func name(writerOf store: GroupName) -> String { "nats-\(StoreRights.user(of: store))" }

    static func name(follower group: GroupName) -> String {
        "\(followerPrefix)\(group)"
    }

    /// What the names of files begin with that have the password of a group that follows the tape.
    static let followerPrefix = "nats-\(StackPlan.natsConsumer)-"

    /// Reads the secrets of the stack, and makes the missing ones. `stores` are those beside the
    /// usual one. Groups that follow the tape are those that have a file.
    static func open(
        _ home: StackHome, stores: [GroupName] = []
    ) throws(ToolError) -> StackSecrets {
        var values: [Name: String] = [:]
        for name in Name.allCases { values[name] = try open(home.secret(name.rawValue)) }
        var writers: [GroupName: String] = [:]
        for store in stores { writers[store] = try open(home.secret(name(writerOf: store))) }
        var secrets = StackSecrets(values: values, writers: writers)
        for file in FileSystem.names(in: home.secrets)
        where file.hasPrefix(followerPrefix) && !file.hasSuffix(StackSecret.nextSuffix) {
            guard let group = GroupName(String(file.dropFirst(followerPrefix.count))) else {
                continue
            }
            secrets.followers[group] = try open(home.secret(file))
        }
        return secrets
    }

    /// Returns the password in a file, which is made if it is not there.
    static func open(_ path: String) throws(ToolError) -> String {
        if let bytes = try FileSystem.read(path) { return try parse(bytes, path) }
        let secret = try make()
        try FileSystem.write(Array(secret.utf8), to: path)
        return secret
    }

    static func parse(_ bytes: [UInt8], _ path: String) throws(ToolError) -> String {
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard let first = bytes.first, letters.contains(first), bytes.count >= randomBytes,
            bytes.allSatisfy({ letters.contains($0) || digits.contains($0) })
        else { throw .damaged(path: path, problem: "not a password of this tool") }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A leading letter keeps the parser of the NATS configuration from reading a number.
    static func make() throws(ToolError) -> String {
        guard let random = try FileSystem.readSome("/dev/urandom", count: randomBytes) else {
            throw FileSystem.failure("read", "/dev/urandom")
        }
        let digits = Array("0123456789abcdef")
        return "p"
            + String(random.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}
