import Primitives
import TestSupport
import Testing

extension Pipeline {
    /// The settings of a program that is none of the recording services, with its own user of NATS
    /// and the writer's database.
    func environment(of user: String) -> [String: String] {
        var keys = environment(.writer)
        keys = keys.filter { !$0.key.hasPrefix("WRITER_") && !$0.key.hasPrefix("VALKEY_") }
        keys["NATS_USER"] = user
        keys["NATS_PASSWORD"] = Self.natsPasswords[user]
        keys["MDS_MEMBER"] = nil
        return keys
    }

    /// The settings of the tool `tapeline`.
    var toolEnvironment: [String: String] {
        environment(of: "tool").filter { $0.key != "OPS_PORT" }
    }

    func tapeline(_ words: String...) throws -> String {
        try run(ProductPrograms.path("tapeline"), words, environment: toolEnvironment)
    }
}

extension ServiceProcess {
    /// Returns the port of a cockpit's pages when they are there.
    func pages() throws -> UInt16 {
        var address: String?
        #expect(
            eventually {
                address = event("cockpit.open")?["address"]?.string
                return address != nil || !isRunning
            }, "\(output)")
        let port = try #require(address?.split(separator: ":").last?.prefix { $0.isNumber })
        return try #require(UInt16(port))
    }
}
