import Foundation
import PostgresClient
import ServiceRuntime
import TestSupport
import Testing
import ValkeyClient

@testable import TapelineTool
@testable import TapelineToolTests

/// New passwords for the real servers of a local stack.
@Suite("tapeline secrets", .serialized)
struct SecretRotationTests {
    private static func value(_ name: String, _ test: StackUnderTest) throws -> String {
        try String(contentsOfFile: test.home.secret(name), encoding: .utf8)
    }

    private static func rotate(_ name: String, _ test: StackUnderTest) throws {
        let secret = try #require(StackSecret(named: name))
        #expect(try SecretRotation(stack: test.stack, secret: secret).run() == .success)
        let said = try test.printed()
        #expect(said.hasPrefix("\(name) is new ("), "\(said)")
        #expect(!said.contains(try value(name, test)))
        #expect(!FileSystem.exists(test.home.secret(name) + StackSecret.nextSuffix))
    }

    private static func postgres(
        _ role: String, _ password: String, _ test: StackUnderTest
    ) throws -> PostgresConnection {
        var configuration = PostgresConfiguration(
            host: StackPlan.loopback, port: try StackPorts.present(test.home)[.postgres],
            database: "postgres", user: role, password: password)
        configuration.sslMode = .disable
        return try PostgresConnection(configuration, timeout: patience)
    }

    @Test("each password of the servers is changed while they run, and the old one ends")
    func servers() throws {
        let test = try StackUnderTest()
        #expect(try test.up("--servers-only") == .success)
        _ = try test.printed()
        let nats = try test.process("nats-server")
        let database = try test.process("postgres")
        let valkey = try test.process("valkey")
        let ports = try StackPorts.present(test.home)
        for name in StackSecrets.Name.allCases.map(\.rawValue) {
            let old = try Self.value(name, test)
            let secret = try #require(StackSecret(named: name))
            try Self.rotate(name, test)
            let new = try Self.value(name, test)
            #expect(new != old && new.utf8.count == old.utf8.count)
            switch secret.place {
            case .nats(let user):
                let line = try NatsLineClient(port: ports[.nats], user: user, password: new)
                #expect(try !line.request("$JS.API.STREAM.INFO.MD_BARS", "").contains("Authoriz"))
                let stranger = try NatsLineClient(
                    port: ports[.nats], user: user, password: old, lines: "PING\r\n")
                #expect(stranger.settled().contains("Authorization Violation"))
            case .postgres(let role):
                try Self.postgres(role, new, test).close()
                let error = #expect(throws: PostgresError.self) {
                    try Self.postgres(role, old, test)
                }
                #expect(error?.category == .authentication, "\(role): \(error as Any)")
            case .valkey(let user):
                var configuration = ValkeyConfiguration(
                    host: StackPlan.loopback, port: ports[.valkey], user: user, password: old)
                #expect(throws: ValkeyError.self) { try ValkeyConnection(configuration) }
                configuration.password = new
                try ValkeyConnection(configuration).close()
            case .file:
                guard name == StackSecrets.Name.cockpitToken.rawValue else { break }
                let people = try String(contentsOfFile: test.home.cockpitPeople, encoding: .utf8)
                #expect(people.contains(WebDigest.sha256(new)), "\(people)")
            }
        }
        #expect(try test.process("nats-server") == nats)
        #expect(try test.process("postgres") == database)
        #expect(try test.process("valkey") == valkey)
        #expect(eventually { (try? test.stack.status(asJSON: true)) == .success })
        // What is started later has the new ones.
        #expect(try test.stack.down() == .success)
        #expect(try test.up("--servers-only") == .success)
    }

    @Test("a change that was cut short is finished by the next one")
    func interrupted() throws {
        let test = try StackUnderTest()
        #expect(try test.up("--servers-only") == .success)
        _ = try test.printed()
        let owner = StackSecrets.Name.postgresOwner.rawValue
        let next = "p" + String(repeating: "0", count: 48)
        try FileSystem.write(Array(next.utf8), to: test.home.secret(owner) + ".next")
        let connection = try Self.postgres("postgres", try Self.value(owner, test), test)
        try connection.execute("ALTER ROLE postgres PASSWORD '\(next)'", timeout: patience)
        try Self.rotate(owner, test)
        #expect(try Self.value(owner, test) == next)
    }

    @Test("a stack that does not run gets new files; its database has to run")
    func stopped() throws {
        let test = try StackUnderTest()
        let secret = try #require(StackSecret(named: "nats-writer"))
        #expect(throws: ToolError.self) {
            try SecretRotation(stack: test.stack, secret: secret).run()
        }
        try test.home.makeFolders()
        _ = try StackSecrets.open(test.home)
        let old = try Self.value("nats-writer", test)
        try Self.rotate("nats-writer", test)
        #expect(try Self.value("nats-writer", test) != old)
        let role = try #require(StackSecret(named: "postgres-writer"))
        let error = #expect(throws: ToolError.self) {
            try SecretRotation(stack: test.stack, secret: role).run()
        }
        #expect(error?.description.contains("'tapeline up' first") == true, "\(error as Any)")
    }
}
