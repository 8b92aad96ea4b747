/// Where servers and stacks are, relative to the root of a checkout. The package of Python has a
/// file of other places: its servers are in packages beside it, and its stacks are the person's.
struct ServerPlaces: Equatable, Sendable {
    /// The file, in the root of the package: a `name=path` per line.
    static let file = "places"
    /// The folder of a package's stacks, in the person's home.
    static let folder = ".tapeline"

    var natsServer = ".local/servers/bin/nats-server"
    /// The folder of PostgreSQL's programs.
    var database = ".local/servers/database/bin"
    var valkeyServer = ".local/servers/database/bin/valkey-server"
    var stacks = ".local/stack"
    var isPackage = false

    /// Returns the places of a package, or `nil` for a checkout.
    static func read(
        _ root: String, environment: [String: String]
    ) throws(ToolError) -> ServerPlaces? {
        let path = "\(root)/\(file)"
        guard let bytes = try FileSystem.read(path) else { return nil }
        guard let home = environment["HOME"], home.hasPrefix("/") else {
            throw .usage(
                "HOME is not the path of a folder, and stacks are kept in its folder \(folder): "
                    + "set it, as in 'env HOME=/root tapeline up'")
        }
        var named: [Substring: String] = [:]
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: "=", maxSplits: 1)
            guard words.count == 2 else { continue }
            let place = "\(root)/\(words[1])"
            named[words[0]] = FileSystem.resolved(place) ?? place
        }
        guard let nats = named["nats-server"], let database = named["database"],
            let valkey = named["valkey-server"]
        else {
            let problem = "it does not name nats-server, database and valkey-server"
            throw .damaged(path: path, problem: problem)
        }
        return ServerPlaces(
            natsServer: nats, database: database, valkeyServer: valkey,
            stacks: "\(home)/\(folder)", isPackage: true)
    }
}
