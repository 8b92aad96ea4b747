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
            throw .usage("HOME is not set: stacks are kept in its folder \(folder)")
        }
        var places = ServerPlaces(stacks: "\(home)/\(folder)", isPackage: true)
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        for line in lines {
            let words = line.split(separator: "=", maxSplits: 1)
            let place = words.count == 2 ? "\(root)/\(words[1])" : ""
            let real = FileSystem.resolved(place) ?? place
            switch words.first {
            case "nats-server": places.natsServer = real
            case "database": places.database = real
            case "valkey-server": places.valkeyServer = real
            default: throw .damaged(path: path, problem: "it has the line '\(line.prefix(80))'")
            }
        }
        return places
    }
}
